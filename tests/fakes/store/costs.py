"""A week's transactions that resolve no payout, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.fakes.store.state import State
from worker.core.cost import Charge, OtherCharges, OtherTransaction, TransactionKind
from worker.core.week import Week


class FakeCosts:
    """Implements `worker.ports.payout.CostStore` over `state`."""

    state: State

    def record_transactions(self, transactions: Sequence[OtherTransaction]) -> None:
        for each in transactions:
            self.state.other_transactions.setdefault(each.signature, each)

    def other_transactions(self, week: Week, after: str, limit: int) -> list[OtherTransaction]:
        found = [it for it in self._of(week) if it.signature > after]
        return sorted(found, key=lambda it: it.signature)[:limit]

    def record_charges(self, charges: Mapping[str, Charge]) -> None:
        for signature, charge in charges.items():
            known = self.state.other_transactions.get(signature)
            if known is not None and known.charge is None:
                self.state.other_transactions[signature] = replace(known, charge=charge)

    def other_charges(self, week: Week) -> OtherCharges:
        stored = self._of(week)
        known = [it.charge for it in stored if it.charge is not None]
        return OtherCharges(
            creations=sum(it.kind is TransactionKind.ACCOUNTS for it in stored),
            unread=len(stored) - len(known),
            fees=sum(charge.fee for charge in known),
            rent=sum(charge.rent for charge in known),
            accounts=sum(charge.accounts for charge in known),
        )

    def _of(self, week: Week) -> list[OtherTransaction]:
        return [it for it in self.state.other_transactions.values() if it.week == week]
