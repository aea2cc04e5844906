"""Computes a week's payments under given rules, and how evenly they are spread.

It uses the same split as a real plan. A real plan orders users by a secret salt, which a simulation
lacks. So an amount may differ from the real one by one base unit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worker.core.errors import UsageError
from worker.core.plan.allocation import MULTIPLIER_SCALE, Policy, allocate
from worker.core.report.spread import Spread, spread
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class Scenario:
    """Rules to try. Stakers are assumed, because a history of contributions has no stakes."""

    policy: Policy
    min_points: int
    stakers_percent: int = 0
    """The percentage of users with a stake. A user's id decides, equally in every week."""
    multiplier: int = MULTIPLIER_SCALE
    """The multiplier of stakers, in millionths."""

    def __post_init__(self) -> None:
        if not 0 <= self.stakers_percent <= 100 or self.multiplier < MULTIPLIER_SCALE:
            raise UsageError("Stakers are 0 to 100 percent, with a multiplier of at least 1.")

    def multiplier_of(self, user_id: str) -> int:
        """A user's staking multiplier, in millionths."""
        staked = int.from_bytes(_digest(user_id)[:8]) % 100 < self.stakers_percent
        return self.multiplier if staked else MULTIPLIER_SCALE


@dataclass(frozen=True, slots=True)
class WeekOutcome:
    """One week under a scenario."""

    week: Week
    spread: Spread
    points: int
    """The points of qualified users."""
    below_minimum: int
    """Contributors with too few points."""
    lifted: int
    floor_waived: bool
    amounts: Mapping[str, int]
    """Base units by user."""


def simulate_week(week: Week, points: Mapping[str, int], scenario: Scenario) -> WeekOutcome:
    """Pay a week's points under a scenario.

    Raises:
        AllocationDoesNotSum: only if the split has a bug.
    """
    paid = sorted((u for u, p in points.items() if p >= scenario.min_points), key=_digest)
    multipliers = [scenario.multiplier_of(user) for user in paid]
    result = allocate([points[user] for user in paid], multipliers, scenario.policy)
    return WeekOutcome(
        week=week,
        spread=spread(result.amounts),
        points=sum(points[user] for user in paid),
        below_minimum=len(points) - len(paid),
        lifted=result.lifted,
        floor_waived=result.floor_waived,
        amounts=dict(zip(paid, result.amounts, strict=True)),
    )


def totals_by_user(outcomes: Iterable[WeekOutcome]) -> Counter[str]:
    """Base units that each user gets over all weeks."""
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.amounts)
    return totals


def _digest(user_id: str) -> bytes:
    return hashlib.sha256(user_id.encode()).digest()
