"""Searches one receipt's mentions page by page, and can go on from a stored place.

Strangers pay a fee for each mention, so a receipt may have any number of them. The transaction that
allocated a receipt is older than every mention made after it was seen to be paid. So the search
goes from the newest mention to the oldest, through one endpoint's history after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from solders.pubkey import Pubkey

from worker.adapters.solana.addresses import receipt_address
from worker.adapters.solana.reading.executions import execution_of, transaction_call
from worker.adapters.solana.reading.signatures import oldest_of_full_page, page_call, read_page
from worker.adapters.solana.rpc.calls import RpcError
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.chunks import chunks
from worker.core.errors import Unreachable
from worker.core.payout.chain import Execution, Searched

PAGES_A_SEARCH = 2
TRANSACTIONS_A_ROUND = 64


def search_execution(
    rpc: Rpc, base: Pubkey, mint: str, receipt_id: str, place: str | None
) -> Searched:
    """
    Raises:
        Unreachable: no endpoint answers.
    """

    async def work(endpoints: list[Endpoint]) -> Searched:
        position, before = _read_place(place, len(endpoints))
        first, failures = position, list[str]()
        for _ in range(PAGES_A_SEARCH + len(endpoints)):
            if position == len(endpoints):
                break
            try:
                found, before = await _page(endpoints[position], base, mint, receipt_id, before)
            except Unreachable as failure:
                failures.append(str(failure))
                found = before = None
            if found is not None:
                return Searched(found, None)
            position += before is None
        if position == len(endpoints) and len(failures) == len(endpoints) - first:
            raise Unreachable("; ".join(failures))
        return Searched(None, None if position == len(endpoints) else f"{position}:{before or ''}")

    return rpc.run(work)


def _read_place(place: str | None, endpoints: int) -> tuple[int, str | None]:
    """Endpoint and signature of a stored place. The settings may have changed since then."""
    number, _, before = (place or "0:").partition(":")
    position = int(number) if number.isdecimal() else 0
    return (position, before or None) if position < endpoints else (0, None)


async def _page(
    endpoint: Endpoint, base: Pubkey, mint: str, receipt_id: str, before: str | None
) -> tuple[Execution | None, str | None]:
    """Search one page of mentions. Returns the execution, and the place of the next page."""
    [reply] = await endpoint.read([page_call(str(receipt_address(base, receipt_id)), before)])
    page = [] if isinstance(reply, RpcError) else read_page(reply)
    oldest_first = [mention.signature for mention in reversed(page) if mention.succeeded]
    for signatures in chunks(oldest_first, TRANSACTIONS_A_ROUND):
        execution = await _first(endpoint, base, mint, receipt_id, signatures)
        if execution is not None:
            return execution, None
    return None, oldest_of_full_page(page)


async def _first(
    endpoint: Endpoint, base: Pubkey, mint: str, receipt_id: str, signatures: Sequence[str]
) -> Execution | None:
    replies = await endpoint.read([transaction_call(signature) for signature in signatures])
    for signature, reply in zip(signatures, replies, strict=True):
        execution = execution_of(
            reply, receipt_id=receipt_id, signature=signature, base=base, mint=mint
        )
        if execution is not None:
            return execution
    return None
