"""Asks every endpoint for what kontrib needs of it, in the real sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from solders.signature import Signature
from solders.transaction import VersionedTransaction

from worker.adapters.solana.reading.accounts import FINALIZED, accounts_calls
from worker.adapters.solana.reading.signatures import page_call
from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.adapters.solana.rpc.sizes import GET_MULTIPLE_ACCOUNTS_MAX, SIGNATURE_STATUSES_MAX
from worker.adapters.solana.samples import refusal_of
from worker.adapters.solana.signing.compute import simulation_call
from worker.core.errors import Unreachable
from worker.ports.payout import EndpointReport

LISTS = 8
"""Lists of accounts that are asked for at once. They fill one request."""


def read_reports(
    rpc: Rpc, address: str, samples: Sequence[VersionedTransaction]
) -> list[EndpointReport]:
    """A report on each endpoint, in the configured order. `address` has a history of any length."""
    height = Call("getEpochInfo", [{"commitment": FINALIZED}])
    accounts = accounts_calls([address] * (LISTS * GET_MULTIPLE_ACCOUNTS_MAX), FINALIZED)
    statuses = Call("getSignatureStatuses", [[str(Signature.default())] * SIGNATURE_STATUSES_MAX])
    reads = [height, *accounts, statuses, page_call(address, None)]
    simulations = [simulation_call(bytes(sample)) for sample in samples]

    async def look(endpoint: Endpoint) -> tuple[str, int | None]:
        try:
            replies = await endpoint.read(reads)
            simulated = await endpoint.read(simulations)
        except Unreachable as failure:
            return str(failure), None
        return _problem(reads, replies) or refusal_of(samples, simulated) or "", _slot(replies[0])

    async def work(endpoints: list[Endpoint]) -> list[EndpointReport]:
        seen = await asyncio.gather(*(look(endpoint) for endpoint in endpoints))
        newest = max((slot for _, slot in seen if slot is not None), default=0)
        return [
            EndpointReport(
                host=endpoint.host,
                problem=problem,
                slots_behind=0 if slot is None else newest - slot,
                limits=tuple(endpoint.limits()),
            )
            for endpoint, (problem, slot) in zip(endpoints, seen, strict=True)
        ]

    return rpc.run(work)


def _problem(calls: Sequence[Call], replies: Sequence[Reply]) -> str | None:
    refused = (
        f"it refuses {call.method}: {reply.message}"
        for call, reply in zip(calls, replies, strict=True)
        if isinstance(reply, RpcError)
    )
    return next(refused, None)


def _slot(reply: Reply) -> int | None:
    slot = reply.get("absoluteSlot") if isinstance(reply, dict) else None
    return slot if isinstance(slot, int) else None
