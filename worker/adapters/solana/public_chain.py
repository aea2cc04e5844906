"""`PublicSolanaChain`: a cluster as a stranger sees it (`worker.ports.payout.PublicChain`).

No key is needed for anything here: receipts' addresses follow from the public receipt key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.adapters.solana.cluster import read_cluster_genesis
from worker.adapters.solana.errors import MalformedAnswer
from worker.adapters.solana.reading.accounts import FINALIZED
from worker.adapters.solana.reading.executions import outflow_of, transaction_call
from worker.adapters.solana.reading.history import PAGE_SIGNATURES, History
from worker.adapters.solana.reading.receipt_states import read_receipts
from worker.adapters.solana.rpc.calls import Call, Reply
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Retries
from worker.adapters.solana.rpc.endpoints import Rpc, answering
from worker.adapters.solana.signing.keys import read_address
from worker.core.payout.chain import Execution
from worker.core.plan.receipts import ReceiptState
from worker.ports.payout import Outflow, PublicAddresses

TIMEOUT_SECONDS = 30.0
TRANSACTIONS_A_ROUND = 200


class PublicSolanaChain:
    """Reads only. Makes no connection before its first call."""

    def __init__(
        self,
        endpoints: Sequence[str],
        mint: str,
        addresses: PublicAddresses,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        """
        Raises:
            EndpointUnusable: an endpoint is no URL.
            AddressUnusable: one of the addresses is none.
        """
        read_address("mint", mint)
        self._base = read_address("receipt key", addresses.receipt_key)
        self._source = str(read_address("source account", addresses.source_account))
        self._rpc = Rpc(endpoints, timeout_seconds, retries)
        self._history = History(self._rpc, self._base, mint)

    def __repr__(self) -> str:
        return f"PublicSolanaChain({self._rpc})"

    def close(self) -> None:
        """Close this process's connections."""
        self._rpc.close()

    def cluster_genesis(self) -> str:
        """
        Raises:
            EndpointsDisagree: endpoints belong to different clusters.
        """
        return read_cluster_genesis(self._rpc)

    def receipts(self, ids: Sequence[str]) -> dict[str, ReceiptState]:
        return read_receipts(self._rpc, self._base, ids, 0)

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        return self._history.find(ids)

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        return self._history.read(signatures)

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        """
        Raises:
            Unreachable: no endpoint answers.
        """
        found: list[str] = []
        before: str | None = None
        while True:
            page = self._rpc.any([_page_call(self._source, before)], _page)
            found += [
                signature
                for signature, slot, succeeded in page
                if succeeded and first_slot <= slot <= last_slot
            ]
            if len(page) < PAGE_SIGNATURES or page[-1][1] < first_slot:
                return found
            before = page[-1][0]

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        found: dict[str, Outflow] = {}
        for first in range(0, len(signatures), TRANSACTIONS_A_ROUND):
            asked = signatures[first : first + TRANSACTIONS_A_ROUND]
            calls = [transaction_call(signature) for signature in asked]
            # From every endpoint, since one may not keep what another does.
            for replies in answering(self._rpc.each(calls)):
                for signature, reply in zip(asked, replies, strict=True):
                    outflow = outflow_of(reply, signature=signature, account=self._source)
                    if outflow is not None:
                        found[signature] = outflow
        return found


def _page_call(address: str, before: str | None) -> Call:
    options: dict[str, Any] = {"commitment": FINALIZED, "limit": PAGE_SIGNATURES}
    if before is not None:
        options["before"] = before
    return Call("getSignaturesForAddress", [address, options])


def _page(replies: list[Reply]) -> list[tuple[str, int, bool]]:
    """Signature, slot and success of each entry, newest first.

    Raises:
        MalformedAnswer: no list of signatures.
    """
    try:
        return [(str(it["signature"]), int(it["slot"]), it["err"] is None) for it in replies[0]]
    except (KeyError, TypeError, ValueError):
        raise MalformedAnswer("no signatures of an address") from None
