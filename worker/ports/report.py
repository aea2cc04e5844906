"""The database reads of a report that `worker.ports.payout` lacks.

A method that cannot reach its server raises `Unreachable`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.core.payout.records import Reward
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class TypeTally:
    """The counted contributions of one type."""

    count: int
    points: int


@dataclass(frozen=True, slots=True)
class PaidReward:
    """A completed reward, and the time at which this database recorded its payment."""

    week: Week
    reward: Reward
    slot: int | None
    paid_at: datetime


class ReportStore(Protocol):
    """Sums of contributions, and the payments to one user."""

    def points_by_type(self, window: PointsWindow, rules: Rules) -> dict[str, TypeTally]:
        """Contributions that a plan counts, by type, including those of excluded users."""

    def paid_between(
        self, start: datetime, end: datetime, user_id: str | None = None
    ) -> Iterator[PaidReward]:
        """The rewards recorded as paid from `start` to before `end`, oldest first.

        Of one user, or of everybody.

        Rewards of another system are included. Their `paid_at` is `created_at` or the end of the
        week if they name no other date.
        """

    def historic_rewards(self, week: Week) -> list[Reward]:
        """The week's rewards of another system that can be read, by user."""

    def names(self, user_ids: Collection[str], field: str) -> dict[str, str]:
        """The users' names: the text in a field of their documents. Users without one are left out.

        A field may lie in another one: `profile.name`.
        """
