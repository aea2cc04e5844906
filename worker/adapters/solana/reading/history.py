"""Finding the transaction that allocated a receipt, among all that mention it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.errors import MalformedAnswer
from worker.adapters.solana.reading.accounts import FINALIZED
from worker.adapters.solana.reading.executions import execution_of, transaction_call
from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.errors import Unreachable
from worker.core.payout.chain import Execution

PAGE_SIGNATURES = 1_000
PAGES_MAX = 20
"""Mentioning a receipt costs a stranger a fee each time. Beyond this many the search gives up:
the receipt is then paid without a readable transaction, which is never paid again either."""

CANDIDATES_A_ROUND = (1, 8, 64)

Search = Callable[[Endpoint, dict[str, Execution]], Any]


class History:
    """Reads executions back from every endpoint until they are found."""

    def __init__(self, rpc: Rpc, base: Pubkey, mint: str) -> None:
        self._rpc = rpc
        self._base = base
        self._mint = mint

    def find(self, ids: Sequence[str]) -> dict[str, Execution]:
        """Search by receipt id, in the history of its address."""

        async def search(endpoint: Endpoint, found: dict[str, Execution]) -> None:
            missing = [receipt_id for receipt_id in ids if receipt_id not in found]
            candidates = await self._candidates(endpoint, missing)
            await self._try(endpoint, candidates, found)

        return self._everywhere(search, len(set(ids)))

    def read(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        """Read known signatures, by receipt id."""

        async def search(endpoint: Endpoint, found: dict[str, Execution]) -> None:
            missing = {key: [value] for key, value in signatures.items() if key not in found}
            await self._try(endpoint, missing, found)

        return self._everywhere(search, len(signatures))

    def _everywhere(self, search: Search, wanted: int) -> dict[str, Execution]:
        """Ask one endpoint after the other for what is still missing.

        Raises:
            Unreachable: no endpoint answered, and so nothing can be said.
        """

        async def work(endpoints: list[Endpoint]) -> dict[str, Execution]:
            found: dict[str, Execution] = {}
            failures: list[str] = []
            for endpoint in endpoints:
                if len(found) == wanted:
                    break
                try:
                    await search(endpoint, found)
                except Unreachable as failure:
                    failures.append(str(failure))
            if len(failures) == len(endpoints):
                raise Unreachable("; ".join(failures))
            return found

        return self._rpc.run(work)

    async def _candidates(self, endpoint: Endpoint, ids: Sequence[str]) -> dict[str, list[str]]:
        """Successful transactions that mention each receipt, the likeliest first."""
        entries: dict[str, list[tuple[str, str]]] = {receipt_id: [] for receipt_id in ids}
        before: dict[str, str | None] = dict.fromkeys(ids)
        for _ in range(PAGES_MAX):
            asked = list(before)
            calls = [_page_call(self._base, it, before[it]) for it in asked]
            replies = await endpoint.read(calls)
            before = {}
            for receipt_id, reply in zip(asked, replies, strict=True):
                page = _page(reply)
                entries[receipt_id] += _successes(page)
                if len(page) >= PAGE_SIGNATURES:
                    before[receipt_id] = page[-1]["signature"]
            if not before:
                break
        return {receipt_id: _in_order(receipt_id, listed) for receipt_id, listed in entries.items()}

    async def _try(
        self,
        endpoint: Endpoint,
        candidates: Mapping[str, list[str]],
        found: dict[str, Execution],
    ) -> None:
        """Read candidates in rounds: most receipts have one, some a stranger's mentions."""
        rest = {receipt_id: list(listed) for receipt_id, listed in candidates.items() if listed}
        sizes = itertools.chain(CANDIDATES_A_ROUND, itertools.repeat(CANDIDATES_A_ROUND[-1]))
        for size in sizes:
            pairs = [(it, signature) for it, listed in rest.items() for signature in listed[:size]]
            if not pairs:
                return
            replies = await endpoint.read([transaction_call(signature) for _, signature in pairs])
            for (receipt_id, signature), reply in zip(pairs, replies, strict=True):
                execution = self._execution(receipt_id, signature, reply)
                if execution is not None:
                    found[receipt_id] = execution
            rest = {
                it: left
                for it, listed in rest.items()
                if it not in found and (left := listed[size:])
            }

    def _execution(self, receipt_id: str, signature: str, reply: Any) -> Execution | None:
        if isinstance(reply, RpcError):
            return None
        return execution_of(
            reply, receipt_id=receipt_id, signature=signature, base=self._base, mint=self._mint
        )


def _page_call(base: Pubkey, receipt_id: str, before: str | None) -> Call:
    options: dict[str, Any] = {"commitment": FINALIZED, "limit": PAGE_SIGNATURES}
    if before is not None:
        options["before"] = before
    return Call("getSignaturesForAddress", [str(receipt_address(base, receipt_id)), options])


def _page(reply: Reply) -> list[dict[str, Any]]:
    """
    Raises:
        MalformedAnswer: not a list of signatures.
    """
    if isinstance(reply, RpcError):
        return []
    try:
        return [
            {"err": it["err"], "memo": it.get("memo"), "signature": str(it["signature"])}
            for it in reply
        ]
    except (KeyError, TypeError):
        raise MalformedAnswer("no signatures of an address") from None


def _successes(page: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Signature and memo of those that did not fail; ours, which allocated, cannot have."""
    return [
        (entry["signature"], str(entry.get("memo") or "")) for entry in page if entry["err"] is None
    ]


def _in_order(receipt_id: str, listed: list[tuple[str, str]]) -> list[str]:
    """Oldest first, and before all those whose memo names the receipt, as ours do."""
    oldest_first = reversed(listed)
    return [it[0] for it in sorted(oldest_first, key=lambda it: receipt_id not in it[1])]
