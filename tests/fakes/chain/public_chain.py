"""`FakePublicChain`: the in-memory twin of `PublicSolanaChain`, over a `FakeLedger`."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.chain.reader import FakeReader
from worker.ports.payout import Outflow, PublicAddresses


class FakePublicChain(FakeReader):
    """Reads only, from public addresses."""

    def __init__(self, ledger: FakeLedger, addresses: PublicAddresses) -> None:
        super().__init__(ledger, addresses.receipt_key)
        self._source = addresses.source_account

    def source_history(self, first_slot: int, last_slot: int) -> list[str]:
        payments = reversed(self.ledger.payments(finalized_only=True))
        return [
            landed.signature
            for landed in payments
            if landed.request.source == self._source and first_slot <= landed.slot <= last_slot
        ]

    def outflows(self, signatures: Sequence[str]) -> dict[str, Outflow]:
        found = {}
        for signature in signatures if self.has_history else ():
            landed = self.ledger.landed[signature]
            found[signature] = Outflow(
                signature, landed.slot, landed.request.memo, landed.source_decrease
            )
        return found
