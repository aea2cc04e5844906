"""Counts and sums of the in-memory store, by state."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.store.state import State, StoredPayout, StoredReward
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.records import PayoutKind, Progress, Tally


class FakeProgress:
    """Implements the sums of `worker.ports.payout.PayoutStore` over `state`."""

    state: State

    def progress(self, plan_id: str) -> Progress:
        rewards = list(self.state.rewards_of(plan_id).values())
        payouts = list(self.state.payouts_of(plan_id).values())
        waiting = [s for s in rewards if s.is_waiting]
        times = [s.next_attempt_at for s in waiting if s.reward.operator_hold is None]
        times += [s.payout.next_attempt_at for s in payouts if s.is_claimable]
        known_times = [time for time in times if time is not None]
        return Progress(
            rewards={
                status: _tally([s for s in rewards if s.reward.status is status])
                for status in Status
            },
            payouts=self.batch_counts(plan_id),
            held=_tally(waiting),
            next_attempt_at=min(known_times) if known_times else None,
            fees=Lamports(sum(s.fee or 0 for s in payouts)),
            signatures=sum(s.payout.signature is not None for s in payouts),
            paid=_resolved(payouts, PayoutStatus.PAID),
            void=_resolved(payouts, PayoutStatus.VOID),
        )

    def outstanding(self) -> tuple[BaseUnits, int]:
        stored_weeks = [*self.state.weeks.values(), *self.state.archive.values()]
        plans = [s.distribution for s in stored_weeks if s.distribution.stage.is_frozen]
        amounts: list[int] = []
        for plan_id in [plan.plan_id for plan in plans if plan.plan_id]:
            payouts = self.state.payouts_of(plan_id).values()
            amounts += [s.payout.amount for s in payouts if s.is_unresolved]
            rewards = self.state.rewards_of(plan_id).values()
            amounts += [s.reward.row.amount for s in rewards if s.is_waiting]
        return BaseUnits(sum(amounts)), len(amounts)

    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        counts = dict.fromkeys(PayoutStatus, 0)
        for stored in self.state.payouts_of(plan_id).values():
            if stored.payout.kind is PayoutKind.BATCH:
                counts[stored.payout.status] += 1
        return counts


def _resolved(payouts: Sequence[StoredPayout], status: PayoutStatus) -> int:
    found = [s.payout for s in payouts if s.payout.status is status]
    return sum(payout.kind is not PayoutKind.ANCHOR for payout in found)


def _tally(stored: Sequence[StoredReward]) -> Tally:
    return Tally(len(stored), BaseUnits(sum(s.reward.row.amount for s in stored)))
