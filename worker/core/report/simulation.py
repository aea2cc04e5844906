"""What a week would have paid under given rules, and how evenly: for governance to decide on.

Uses the very split that weeks are paid with. Users come in an order of their own here (no secret
salt is known), so single amounts may differ from a real plan's by one base unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from worker.core.errors import UsageError
from worker.core.plan.allocation import MULTIPLIER_SCALE, Policy, allocate
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class Scenario:
    """Rules to try. Stakers are assumed, since no history of contributions knows them."""

    policy: Policy
    min_points: int
    stakers_percent: int = 0
    """How many of a hundred users hold a stake, chosen by their id, the same in every week."""
    multiplier: int = MULTIPLIER_SCALE
    """Of those, in millionths."""

    def __post_init__(self) -> None:
        if not 0 <= self.stakers_percent <= 100 or self.multiplier < MULTIPLIER_SCALE:
            raise UsageError("Stakers are 0 to 100 percent, with a multiplier of at least 1.")

    def multiplier_of(self, user_id: str) -> int:
        """A user's staking multiplier, in millionths."""
        staked = int.from_bytes(_digest(user_id)[:8]) % 100 < self.stakers_percent
        return self.multiplier if staked else MULTIPLIER_SCALE


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly amounts are spread. Amounts in base units, shares as exact fractions."""

    recipients: int
    total: int
    median: int
    """Of an even number: the mean of the two in the middle, rounded down."""
    top_tenth_share: Fraction
    """What the best paid tenth gets together, at least one of them."""
    gini: Fraction
    """0: all get the same. Near 1: one gets everything."""


@dataclass(frozen=True, slots=True)
class WeekOutcome:
    """One week under a scenario."""

    week: Week
    spread: Spread
    points: int
    """Of those who qualify."""
    below_minimum: int
    """Contributors who did not reach the minimum."""
    lifted: int
    floor_waived: bool
    amounts: Mapping[str, int]
    """Base units by user."""


def simulate_week(week: Week, points: Mapping[str, int], scenario: Scenario) -> WeekOutcome:
    """Pay a week's points under a scenario.

    Raises:
        AllocationDoesNotSum: the split contradicts itself. A bug.
    """
    paid = sorted((u for u, p in points.items() if p >= scenario.min_points), key=_digest)
    multipliers = [scenario.multiplier_of(user) for user in paid]
    result = allocate([points[user] for user in paid], multipliers, scenario.policy)
    return WeekOutcome(
        week=week,
        spread=spread_of(result.amounts),
        points=sum(points[user] for user in paid),
        below_minimum=len(points) - len(paid),
        lifted=result.lifted,
        floor_waived=result.floor_waived,
        amounts=dict(zip(paid, result.amounts, strict=True)),
    )


def spread_of(amounts: Sequence[int]) -> Spread:
    """How evenly amounts are spread; all zero where there is none."""
    ordered = sorted(amounts)
    count, total = len(ordered), sum(ordered)
    if total == 0:
        return Spread(count, 0, 0, Fraction(0), Fraction(0))
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) // 2
    top = sum(ordered[-max(1, count // 10) :])
    ranked = sum(rank * amount for rank, amount in enumerate(ordered, start=1))
    gini = Fraction(2 * ranked, count * total) - Fraction(count + 1, count)
    return Spread(count, total, median, Fraction(top, total), gini)


def totals_by_user(outcomes: Iterable[WeekOutcome]) -> dict[str, int]:
    """Base units that each user gets over all weeks."""
    totals: dict[str, int] = {}
    for outcome in outcomes:
        for user, amount in outcome.amounts.items():
            totals[user] = totals.get(user, 0) + amount
    return totals


def _digest(user_id: str) -> bytes:
    return hashlib.sha256(user_id.encode()).digest()
