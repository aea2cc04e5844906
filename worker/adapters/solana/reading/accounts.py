"""Reads accounts from JSON-RPC strictly, with getMultipleAccounts in pieces of 100."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.adapters.solana.errors import MalformedAnswer
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.sizes import GET_MULTIPLE_ACCOUNTS_MAX
from worker.core.chunks import chunks
from worker.core.wording import counted

CONFIRMED = "confirmed"
FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class ChainAccount:
    owner: str
    lamports: int
    data: bytes
    space: int
    """The whole data length. `data` may be a slice of it."""


def accounts_calls(
    addresses: Sequence[object],
    commitment: str,
    *,
    data_length: int | None = None,
    not_before_slot: int = 0,
) -> list[Call]:
    """The getMultipleAccounts calls for these addresses; `data_length` limits the data returned.

    A node that has not reached `not_before_slot` answers with an error.
    """
    options: dict[str, Any] = {"commitment": commitment, "encoding": "base64"}
    if not_before_slot:
        options["minContextSlot"] = not_before_slot
    if data_length is not None:
        options["dataSlice"] = {"offset": 0, "length": data_length}
    texts = [str(address) for address in addresses]
    pieces = chunks(texts, GET_MULTIPLE_ACCOUNTS_MAX)
    return [Call("getMultipleAccounts", [piece, options]) for piece in pieces]


def read_accounts(reply: Reply, count: int) -> tuple[int, list[ChainAccount | None]]:
    """The context slot and the accounts of a getMultipleAccounts reply, in order.

    Raises:
        MalformedAnswer: the reply is an error, or has another number of accounts.
    """
    try:
        slot, values = reply["context"]["slot"], reply["value"]
        if not isinstance(slot, int) or len(values) != count:
            raise MalformedAnswer(f"expected {counted(count, 'account')}")
        return slot, [None if value is None else _account(value) for value in values]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise MalformedAnswer(f"no accounts: {type(error).__name__}") from None


def read_all_accounts(replies: Sequence[Reply], count: int) -> list[ChainAccount | None]:
    """The accounts of consecutive getMultipleAccounts replies for `count` addresses.

    Raises:
        MalformedAnswer: a reply is an error, or has another number of accounts.
    """
    accounts: list[ChainAccount | None] = []
    for reply in replies:
        expected = min(GET_MULTIPLE_ACCOUNTS_MAX, count - len(accounts))
        accounts += read_accounts(reply, expected)[1]
    return accounts


def newest_slot(replies: Sequence[Reply]) -> int:
    """The highest context slot of these replies; 0 for odd ones."""
    slots = (it["context"]["slot"] for it in replies if isinstance(it, dict) and "context" in it)
    return max((slot for slot in slots if isinstance(slot, int)), default=0)


def _account(value: dict[str, Any]) -> ChainAccount:
    encoded, encoding = value["data"]
    if encoding != "base64":
        raise MalformedAnswer(f"encoding {encoding}")
    data = base64.b64decode(encoded, validate=True)
    space = value.get("space", len(data))
    if not isinstance(space, int) or space < len(data) or not isinstance(value["owner"], str):
        raise MalformedAnswer("an account contradicts itself")
    return ChainAccount(value["owner"], int(value["lamports"]), data, space)
