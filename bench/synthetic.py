"""A synthetic wiki and its week: users with wallets, and unevenly spread contributions.

Every user contributes once. The other contributions follow Zipf's law, as in real wikis. Every
tenth user has no token account. The other token accounts are written to the local chain directly,
since the benchmark does not measure their creation.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from solders.pubkey import Pubkey
from spl.token.constants import TOKEN_PROGRAM_ID
from spl.token.instructions import get_associated_token_address

from deploy.local.chain.client import ChainClient
from deploy.local.chain.setup import finalize
from tests.end_to_end.support import wiki
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.week import Week

WEEK = Week.parse("2024-W50")
CHUNK = 10_000
NEW_EVERY = 10
"""One of this many users has no token account."""

CALLS_PER_REQUEST = 80
"""The number that fits into the largest request of a node."""

_STATE_OFFSET = 108
_TOKEN_ACCOUNT_BYTES = 165
_INITIALIZED = b"\x01"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a synthetic week."""

    users: int
    contributions: int

    @property
    def new_wallets(self) -> int:
        return len(range(0, self.users, NEW_EVERY))


def populate(database: Any, chain_url: str, mint: str, size: Size) -> None:
    """Everything that exists before a week is closed."""
    migrate(database, lambda line: None, WEEK.end)
    for numbers in chunks(range(size.users)):
        wiki.add_users(database, numbers)
    for chunk in chunks(enumerate(contributors(size))):
        documents = [wiki.contribution(number, user, WEEK) for number, user in chunk]
        database.contributions.insert_many(documents, ordered=False)
    add_token_accounts(chain_url, mint, (i for i in range(size.users) if i % NEW_EVERY))


def contributors(size: Size) -> Iterator[int]:
    """The user of each contribution."""
    yield from range(size.users)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(size.users)))
    chooser = random.Random(2024)
    rest = size.contributions - size.users
    yield from chooser.choices(range(size.users), cum_weights=weights, k=rest)


def add_token_accounts(chain_url: str, mint: str, users: Iterable[int]) -> None:
    """Create empty token accounts for these users, on a local chain with `--admin`."""
    token = Pubkey.from_string(mint)
    with ChainClient(chain_url) as client:
        rent = client.call("getMinimumBalanceForRentExemption", _TOKEN_ACCOUNT_BYTES)
        for numbers in chunks(users, CALLS_PER_REQUEST):
            calls = [_set_account(token, number, rent) for number in numbers]
            _, answer = client.post(json.dumps(calls).encode())
            if not all(reply.get("result") for reply in json.loads(answer)):
                raise RuntimeError("the local chain refused a token account")
        finalize(client)


def _set_account(mint: Pubkey, number: int, rent: int) -> dict[str, Any]:
    owner = Pubkey.from_string(wiki.wallet(number))
    head = (bytes(mint) + bytes(owner)).ljust(_STATE_OFFSET, b"\0") + _INITIALIZED
    fields = {
        "lamports": rent,
        "owner": str(TOKEN_PROGRAM_ID),
        "data": base64.b64encode(head.ljust(_TOKEN_ACCOUNT_BYTES, b"\0")).decode(),
    }
    address = str(get_associated_token_address(owner, mint))
    return {
        "jsonrpc": "2.0", "id": number, "method": "local_setAccount", "params": [address, fields]
    }  # fmt: skip


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
