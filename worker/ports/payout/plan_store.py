"""Distributions, and the plans under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution, Payout, PlanNotes, Reward
from worker.core.plan.commitment import Row
from worker.core.plan.earlier_key import EarlierKey
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week


class PlanStore(Protocol):
    """Distributions, and the plans under them."""

    def distribution(self, week: Week) -> Distribution | None: ...

    def distributions(self) -> list[Distribution]:
        """All distributions outside the archive, oldest first."""

    def first_week(self) -> Week | None:
        """The first week as `kontrib genesis` recorded it; None if there is no such record."""

    def earlier_key(self) -> EarlierKey | None:
        """The receipt key whose weeks the present one continues, as genesis recorded it."""

    def record_first_week(self, week: Week, earlier: EarlierKey | None = None) -> None: ...

    def ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        """The week's distribution, made in stage DUE if there is none."""

    def write_rewards(self, rewards: Sequence[Reward], week: Week, now: datetime) -> None:
        """Insert rows of a draft plan under its own plan id."""

    def write_payouts(self, payouts: Sequence[Payout], roots: Sequence[bytes]) -> None:
        """Insert payouts with their rows' roots (empty for singles and anchors).

        An existing payout with the same plan and id stays unchanged.
        """

    def rows(self, plan_id: str, positions: range) -> Iterator[Row]:
        """The rows as stored now, in canonical order."""

    def batch_roots(self, plan_id: str) -> list[bytes]:
        """The stored roots of a plan's batches, by index."""

    def install_plan(
        self, plan: PlannedWeek, notes: PlanNotes, *, replacing: str | None, now: datetime
    ) -> bool:
        """Make a draft the plan of its week by compare-and-set on the distribution's plan id.

        False if another plan has taken the place of `replacing`, or if the plan is anchored.
        """

    def discard_plan(self, plan_id: str) -> None:
        """Remove the rows and payouts of an unused draft."""

    def discard_drafts(self, week: Week, before: datetime) -> None:
        """Remove the drafts of a week that were written before a moment and never finished.

        The distribution's plan stays, and so does a plan with an operator's mark on a reward.
        """

    def discard_other_plans(self, week: Week, plan_id: str, *, lost_too: bool = False) -> None:
        """Remove the week's rows and payouts outside its distribution's plan.

        With `lost_too` it reads all rewards, and so also finds rows of a lost distribution.
        """

    def reset_week(self, week: Week, now: datetime) -> None:
        """Make a week due again, without a plan.

        Rows under its old plan ids stay in the database, with the operators' notes on them.
        """

    def marked_rewards(self, week: Week) -> list[Reward]:
        """A week's rewards, under any plan id, that an operator holds or has redirected."""

    def advance(
        self, week: Week, plan_id: str, from_stage: Stage, to_stage: Stage, **facts: Any
    ) -> bool:
        """Move a distribution to the next stage by compare-and-set.

        `facts` are fields of `Distribution`. A move clears attempts, reason and stop. False if
        another worker was faster.
        """

    def record_failure(
        self,
        week: Week,
        *,
        reason: str,
        next_attempt_at: datetime,
        attempts: int,
        stopped: bool,
    ) -> None:
        """Record the reason for a failed try of a week, and the time of the next one."""

    def forget_failure(self, week: Week) -> None:
        """Clear the reason, the next try and the stop of a week."""

    def reserve(self, distribution: Distribution, until: datetime) -> bool:
        """Keep other workers from the next job of a week until then.

        False if another one was faster: the stage or the next try is not as it was read.
        """

    def approve(self, week: Week, root: bytes) -> bool:
        """Approve the week's plan. False if the plan has another root."""

    def requeue(self, week: Week) -> int:
        """Make the unresolved payouts and rewards of a week due now, and clear its stops.

        Returns their number.
        """

    def record_notes(self, week: Week, **facts: Any) -> None:
        """Write facts for people onto the distribution: stage durations, a reconciliation."""

    def notes(self, week: Week) -> Mapping[str, Any]:
        """The distribution's stored document, for status and reports."""
