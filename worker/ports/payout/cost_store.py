"""The port of a week's transactions that resolve no payout, and of their fees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.core.cost import Charge, OtherCharges, OtherTransaction
from worker.core.week import Week


class CostStore(Protocol):
    """Other transactions. They belong to a week, so a plan that is made again keeps them."""

    def record_transactions(self, transactions: Sequence[OtherTransaction]) -> None:
        """Record transactions durably, before they are sent. A known one stays as it is."""

    def other_transactions(self, week: Week, after: str, limit: int) -> list[OtherTransaction]:
        """The week's transactions whose signatures are greater than `after`, by signature."""

    def record_charges(self, charges: Mapping[str, Charge]) -> None:
        """Record what transactions cost, by signature. A recorded charge stays as it is."""

    def other_charges(self, week: Week) -> OtherCharges:
        """The sums of the week's other transactions."""
