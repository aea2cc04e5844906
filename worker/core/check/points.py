"""Computes points again from a contribution's own factors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from worker.core.errors import KontribError
from worker.core.plan.points import PointRules, total_points


@dataclass(frozen=True, slots=True)
class Factors:
    """The stored factors of a contribution's points. They may hold anything."""

    base_points: object
    quality: object
    reputation: object
    demand: object

    @property
    def values(self) -> tuple[object, ...]:
        return self.base_points, self.quality, self.reputation, self.demand


def recomputed_points(rules: PointRules, kind: str, factors: Factors) -> int | None:
    """The points by a contribution's own factors; None if a factor is not a number.

    Its own base points count, because the configured base points may have changed.
    """
    base = factors.base_points
    if isinstance(base, float) and base.is_integer():
        base = int(base)
    if base is not None and (isinstance(base, bool) or not isinstance(base, int) or base < 0):
        return None
    own = rules if base is None else replace(rules, base_points={kind: base})
    try:
        return total_points(
            own, kind,
            quality=factors.quality, reputation=factors.reputation, demand=factors.demand,
        )  # fmt: skip
    except KontribError:
        return None
