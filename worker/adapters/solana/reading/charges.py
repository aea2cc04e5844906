"""Reads what transactions of ours took from the fee payer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from solders.transaction import VersionedTransaction

from worker.adapters.solana.reading.executions import ODD, transaction_call
from worker.adapters.solana.reading.history import ask_until_found
from worker.adapters.solana.rpc.endpoint import Endpoint
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.chunks import chunks
from worker.core.cost import Charge
from worker.core.money import INT64_MAX, Lamports

TRANSACTIONS_A_ROUND = 200


def read_charges(rpc: Rpc, signatures: Sequence[str]) -> dict[str, Charge]:
    """The charges of finalized transactions by signature, from the first endpoint that has each.

    Raises:
        Unreachable: every endpoint failed to answer.
    """

    async def search(endpoint: Endpoint, found: dict[str, Charge]) -> None:
        missing = [signature for signature in signatures if signature not in found]
        for asked in chunks(missing, TRANSACTIONS_A_ROUND):
            replies = await endpoint.read([transaction_call(signature) for signature in asked])
            for signature, reply in zip(asked, replies, strict=True):
                if (charge := charge_of(reply, signature)) is not None:
                    found[signature] = charge

    return ask_until_found(rpc, search, len(set(signatures)))


def charge_of(reply: Any, signature: str) -> Charge | None:
    """The charge in a getTransaction reply; None for an absent, odd or different transaction.

    The first account of a transaction is its fee payer.
    """
    try:
        if reply is None:
            return None
        meta, (encoded, _) = reply["meta"], reply["transaction"]
        transaction = VersionedTransaction.from_bytes(base64.b64decode(encoded))
        if str(transaction.signatures[0]) != signature:
            return None
        fee = int(meta["fee"])
        spent = int(meta["preBalances"][0]) - int(meta["postBalances"][0])
        if not 0 <= fee <= INT64_MAX or abs(spent) > INT64_MAX:
            return None  # no cluster has so many lamports, and the database takes no such number
        if meta["err"] is not None:
            return Charge(Lamports(fee), succeeded=False)
        return Charge(Lamports(fee), Lamports(max(0, spent - fee)), _new_accounts(meta))
    except ODD:
        return None


def _new_accounts(meta: Any) -> int:
    before, after = (
        {entry["accountIndex"] for entry in meta.get(name) or ()}
        for name in ("preTokenBalances", "postTokenBalances")
    )
    return len(after - before)
