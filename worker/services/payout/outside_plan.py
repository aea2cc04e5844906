"""Finds stored payouts outside the anchored plan, which are neither signed nor settled."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.errors import Refused
from worker.core.payout.records import Payout, PayoutKind
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import single_id
from worker.ports.payout import Store
from worker.services.payout.anchored_rows import runs_of_neighbours


class PayoutNotOfPlan(Refused):
    """A stored payout has another id than the anchored plan gives it.

    The other id has another receipt, so the rewards could be paid twice.
    """

    def __init__(self, payout: Payout) -> None:
        self.payout = payout
        super().__init__(
            f"{payout.id} is not the anchored plan's id of {payout.kind.value} {payout.index}. "
            "The stored payout was changed. Restore it with `kontrib rebuild WEEK --from-chain`; "
            "until then it is not paid."
        )


def outside_plan(
    store: Store, planned: PlannedWeek, payouts: Sequence[Payout]
) -> dict[str, PayoutNotOfPlan]:
    """The stored batches and singles whose id differs from the plan's id, by stored id.

    A receipt resolves only the payout that has this id in the plan.
    """
    header = planned.header
    batches = [p for p in payouts if p.kind is PayoutKind.BATCH]
    known = {
        p.id
        for p in batches
        if p.index in range(header.batches) and p.id == str(header.batch_id(p.index))
    }
    singles = [p for p in payouts if p.kind is PayoutKind.SINGLE]
    for run in runs_of_neighbours([p for p in singles if p.index in range(header.rewards)]):
        known |= _singles_in_place(store, planned, run)
    return {p.id: PayoutNotOfPlan(p) for p in (*batches, *singles) if p.id not in known}


def _singles_in_place(store: Store, planned: PlannedWeek, run: Sequence[Payout]) -> set[str]:
    rows = list(store.rows(planned.plan_id, range(run[0].index, run[-1].index + 1)))
    if len(rows) < len(run) > 1:  # a row is missing, and it is unknown which one
        return set().union(*(_singles_in_place(store, planned, [payout]) for payout in run))
    ids = [single_id(planned.week, row.user) for row in rows]
    return {payout.id for payout, called in zip(run, ids, strict=False) if payout.id == called}
