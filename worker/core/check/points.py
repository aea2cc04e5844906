"""Points computed again from a contribution's own factors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from worker.core.errors import KontribError
from worker.core.plan.points import PointRules, total_points


@dataclass(frozen=True, slots=True)
class Factors:
    """The numbers that a contribution's points were computed from, as stored."""

    base_points: object
    quality: object
    reputation: object
    demand: object

    @property
    def values(self) -> tuple[object, ...]:
        return self.base_points, self.quality, self.reputation, self.demand

    @property
    def are_missing(self) -> bool:
        """Whether the document holds nothing to compute from: only the result was stored."""
        return all(value is None for value in self.values)


def recomputed_points(rules: PointRules, kind: str, factors: Factors) -> int | None:
    """Points from the factors that the contribution itself holds; None where one is no number.

    Its own base points, since the configured ones may have been changed since.
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
