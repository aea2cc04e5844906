"""`FakePublicChain`: a `FakeLedger` as a stranger sees it, the twin of `PublicSolanaChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.ledger import FakeLedger
from worker.core.payout.chain import Execution
from worker.core.plan.receipts import ReceiptState
from worker.ports.payout import Outflow, PublicAddresses


class FakePublicChain:
    """Reads only, through a client whose keys nobody asks for."""

    def __init__(self, ledger: FakeLedger, addresses: PublicAddresses) -> None:
        self._ledger, self._source = ledger, addresses.source_account
        self._reader = FakeChain(
            ledger, receipt_key=addresses.receipt_key, source=addresses.source_account
        )
        self.endpoints = self._reader.endpoints
        self.has_history = True

    def cluster_genesis(self) -> str:
        return self._reader.cluster_genesis()

    def receipts(self, ids: Sequence[str]) -> dict[str, ReceiptState]:
        return self._reader.receipts(ids)

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        return self._reader.executions(ids) if self.has_history else {}

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        return self._reader.executions_of(signatures) if self.has_history else {}

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        payments = reversed(self._ledger.payments(finalized_only=True))
        return [
            landed.signature
            for landed in payments
            if landed.request.source == self._source and first_slot <= landed.slot <= last_slot
        ]

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        found = {}
        for signature in signatures if self.has_history else ():
            landed = self._ledger.landed[signature]
            found[signature] = Outflow(
                signature, landed.slot, landed.request.memo, landed.source_decrease
            )
        return found
