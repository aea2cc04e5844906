"""Finds the transaction that allocated a receipt, among all transactions that mention it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.reading.executions import execution_of, transaction_call
from worker.adapters.solana.reading.signatures import (
    Mention,
    oldest_of_full_page,
    page_call,
    read_page,
)
from worker.adapters.solana.rpc.calls import RpcError
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc, by_health
from worker.core.errors import Unreachable
from worker.core.payout.chain import Execution

PAGES_MAX = 20
"""Pages of mentions after which the search gives up. A stranger pays a fee for each mention. The
receipt then counts as paid without a readable transaction, and is never paid again."""

REMEMBERED_SECONDS, REMEMBERED_MAX = 600.0, 128
"""The close of a week compares what its payment has read minutes ago. More than so many are never
remembered: replacing them all the time would scatter them over the memory of a process."""

CANDIDATES_A_ROUND = (1, 8, 64)

Found = TypeVar("Found")
Search = Callable[[Endpoint, dict[str, Found]], Awaitable[None]]


def ask_until_found(rpc: Rpc, search: Search[Found], wanted: int) -> dict[str, Found]:
    """Ask one endpoint after the other for what is missing, until `wanted` are found.

    Endpoints that failed the last time are asked last, and those that rest are not asked.

    Raises:
        Unreachable: every endpoint failed to answer.
    """

    async def work(endpoints: list[Endpoint]) -> dict[str, Found]:
        found: dict[str, Found] = {}
        failures: list[str] = []
        awake = [it for it in by_health(endpoints) if not it.rests] or endpoints
        for endpoint in awake:
            if len(found) == wanted:
                break
            try:
                await search(endpoint, found)
            except Unreachable as failure:
                failures.append(str(failure))
        if len(failures) == len(awake):
            raise Unreachable("; ".join(failures))
        return found

    return rpc.run(work)


class ExecutionHistory:
    """Searches the endpoints for executions, one after the other, until all are found."""

    def __init__(self, rpc: Rpc, base: Pubkey, mint: str) -> None:
        self._rpc = rpc
        self._base = base
        self._mint = mint
        self._read: dict[tuple[str, str], tuple[float, Execution]] = {}
        """What was read lately, by receipt id and signature. A final transaction never changes."""

    def find(self, ids: Sequence[str]) -> dict[str, Execution]:
        """Search by receipt id, in the history of the receipt's address."""

        async def search(endpoint: Endpoint, found: dict[str, Execution]) -> None:
            missing = [receipt_id for receipt_id in ids if receipt_id not in found]
            candidates = await self._candidates(endpoint, missing)
            await self._try(endpoint, candidates, found)

        return ask_until_found(self._rpc, search, len(set(ids)))

    def read(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        """Read the executions of known signatures, by receipt id."""
        known = {i: it for i, signature in signatures.items() if (it := self._known(i, signature))}
        wanted = {i: signature for i, signature in signatures.items() if i not in known}

        async def search(endpoint: Endpoint, found: dict[str, Execution]) -> None:
            missing = {key: [value] for key, value in wanted.items() if key not in found}
            await self._try(endpoint, missing, found)

        found = ask_until_found(self._rpc, search, len(wanted)) if wanted else {}
        self._remember(found)
        return known | found

    def _known(self, receipt_id: str, signature: str) -> Execution | None:
        read_at, execution = self._read.get((receipt_id, signature), (-math.inf, None))
        return execution if time.monotonic() - read_at < REMEMBERED_SECONDS else None

    def _remember(self, found: Mapping[str, Execution]) -> None:
        now = time.monotonic()
        kept = {i: it for i, it in self._read.items() if now - it[0] < REMEMBERED_SECONDS}
        new = itertools.islice(found.items(), max(0, REMEMBERED_MAX - len(kept)))
        self._read = kept | {(i, it.signature): (now, it) for i, it in new}

    async def _candidates(self, endpoint: Endpoint, ids: Sequence[str]) -> dict[str, list[str]]:
        """Successful transactions that mention each receipt, the most likely one first."""
        entries: dict[str, list[Mention]] = {receipt_id: [] for receipt_id in ids}
        before: dict[str, str | None] = dict.fromkeys(ids)
        for _ in range(PAGES_MAX):
            asked = list(before)
            addresses = [str(receipt_address(self._base, it)) for it in asked]
            calls = [page_call(at, before[it]) for at, it in zip(addresses, asked, strict=True)]
            replies = await endpoint.read(calls)
            before = {}
            for receipt_id, reply in zip(asked, replies, strict=True):
                page = [] if isinstance(reply, RpcError) else read_page(reply)
                entries[receipt_id] += page
                if (oldest := oldest_of_full_page(page)) is not None:
                    before[receipt_id] = oldest
            if not before:
                break
        return {receipt_id: _in_order(receipt_id, listed) for receipt_id, listed in entries.items()}

    async def _try(
        self,
        endpoint: Endpoint,
        candidates: Mapping[str, list[str]],
        found: dict[str, Execution],
    ) -> None:
        """Read candidates in rounds, since most receipts have one and some have thousands."""
        rest = {receipt_id: list(listed) for receipt_id, listed in candidates.items() if listed}
        sizes = itertools.chain(CANDIDATES_A_ROUND, itertools.repeat(CANDIDATES_A_ROUND[-1]))
        for size in sizes:
            pairs = [(it, signature) for it, listed in rest.items() for signature in listed[:size]]
            if not pairs:
                return
            replies = await endpoint.read([transaction_call(signature) for _, signature in pairs])
            for (receipt_id, signature), reply in zip(pairs, replies, strict=True):
                execution = execution_of(
                    reply,
                    receipt_id=receipt_id,
                    signature=signature,
                    base=self._base,
                    mint=self._mint,
                )
                if execution is not None:
                    found[receipt_id] = execution
            rest = {
                it: left
                for it, listed in rest.items()
                if it not in found and (left := listed[size:])
            }


def _in_order(receipt_id: str, listed: list[Mention]) -> list[str]:
    """Successful mentions, oldest first.

    Mentions whose memo names the receipt come before all others.

    Our own memos name the receipt. A transaction that allocated it cannot have failed.
    """
    oldest_first = [mention for mention in reversed(listed) if mention.succeeded]
    ours_first = sorted(oldest_first, key=lambda mention: receipt_id not in mention.memo)
    return [mention.signature for mention in ours_first]
