"""The points of a contribution, and the defects that exclude one.

total_points = base_points x quality x reputation x demand. Each multiplier is clamped to its range,
and the decimal product is rounded half up: 100 x 2.5 x 1.2 x 1.8 = 540 (SCHEMA, contributions). The
value is computed when a contribution is recorded. A plan uses the stored value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from worker.core.errors import UsageError
from worker.core.money import exact_decimal

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Exact products. The default of 28 digits would add a second rounding."""


class UnknownContributionType(UsageError):
    """The configuration has no such type."""

    def __init__(self, name: object, known: list[str]) -> None:
        self.name = name
        what = "No contribution type" if name is None else f"Unknown contribution type {name!r}"
        super().__init__(f"{what}. Use one of: {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Range:
    """The allowed values of a multiplier, both ends included."""

    lowest: Decimal
    highest: Decimal
    default: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.default <= self.highest:
            raise UsageError(
                f"A multiplier's range needs 0 <= min <= default <= max, not "
                f"{self.lowest} <= {self.default} <= {self.highest}. Correct system_config."
            )

    def clamp(self, value: Decimal | None) -> Decimal:
        """The nearest allowed value, or the default for a missing value."""
        if value is None:
            return self.default
        return max(self.lowest, min(self.highest, value))


@dataclass(frozen=True, slots=True)
class PointRules:
    """Base points by contribution type, and the three multipliers' ranges."""

    base_points: Mapping[str, int]
    quality: Range
    reputation: Range
    demand: Range

    def base(self, contribution_type: object) -> int:
        """Base points of a type.

        Raises:
            UnknownContributionType: the configuration has no such type.
        """
        if not isinstance(contribution_type, str) or contribution_type not in self.base_points:
            raise UnknownContributionType(contribution_type, sorted(self.base_points))
        return self.base_points[contribution_type]

    def highest_points(self, contribution_type: str) -> int:
        """The most points that one contribution of a type can have."""
        product = Decimal(self.base(contribution_type))
        for allowed in (self.quality, self.reputation, self.demand):
            product = _EXACT.multiply(product, allowed.highest)
        return _half_up(product)

    def highest_of_all(self) -> int:
        """The most points that one contribution of any type can have."""
        return max(map(self.highest_points, self.base_points), default=0)


def total_points(
    rules: PointRules,
    contribution_type: object,
    *,
    quality: object = None,
    reputation: object = None,
    demand: object = None,
) -> int:
    """Points of one contribution.

    Raises:
        UnknownContributionType: the configuration has no such type.
        MalformedAmount: a multiplier is not a finite number.
    """
    product = Decimal(rules.base(contribution_type))
    pairs = ((rules.quality, quality), (rules.reputation, reputation), (rules.demand, demand))
    for allowed, value in pairs:
        factor = allowed.clamp(None if value is None else exact_decimal(value))
        product = _EXACT.multiply(product, factor)
    return _half_up(product)


def defect(rules: PointRules, contribution: Mapping[str, object]) -> str | None:
    """The reason why a recorded contribution cannot count, or None.

    `contribution` holds plain values: `user_id` as a string or None, `created_at_is_date` as a
    bool, `type` and `total_points` as they are stored. Types are checked strictly, because a
    database skips some values in a sum without an error.
    """
    points, kind = contribution.get("total_points"), contribution.get("type")
    if not contribution.get("created_at_is_date"):
        return "created_at is not a date"
    if not contribution.get("user_id"):
        return "no user"
    # Not `isinstance`: a driver has types of its own that are texts, and stand for no type here.
    if type(kind) is not str or kind not in rules.base_points:
        return "unknown type"
    if isinstance(points, bool) or not isinstance(points, int | float):
        return "points are not a number"
    if isinstance(points, float) and not points.is_integer():  # this also refuses NaN and infinity
        return "points are not a whole number"
    if points < 0:
        return "points are negative"
    if points > rules.highest_points(kind):
        return "points are beyond the highest possible"
    return None


def claimed_points(points: object, highest: int) -> int:
    """The points of a malformed contribution: 0 unless they are a number, at most `highest`."""
    if isinstance(points, bool) or not isinstance(points, int | float) or not points >= 0:
        return 0
    return int(min(points, highest))


def _half_up(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_UP))
