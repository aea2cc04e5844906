"""Contributions one by one: can each count, and do its factors give its points?"""

from __future__ import annotations

from collections.abc import Hashable

from worker.core.checking import Area, CheckReport, Factors, recomputed_points
from worker.core.points import defect
from worker.core.rules import Rules
from worker.ports_check import CheckStore, StoredContribution

CACHED_MAX = 100_000
LOOKED_AT = "contributions"


def check_points(store: CheckStore, rules: Rules, report: CheckReport) -> None:
    """One pass over all contributions. The stored value is what is paid, whatever this finds."""
    points = _Recomputation(rules)
    for contribution in store.all_contributions():
        report.looked_at[LOOKED_AT] += 1
        if (reason := _defect(rules, contribution)) is not None:
            report.add(Area.POINTS, f"contribution {contribution.id}", "left out", reason)
            continue
        factors = _factors(contribution)
        if factors.are_missing:
            continue  # only the result was recorded: there is nothing to compute it from
        expected = points.of(str(contribution.type), factors)
        if expected is None:
            expected_text = "factors that are numbers"
            report.add(Area.POINTS, f"contribution {contribution.id}", factors, expected_text)
        elif expected != contribution.total_points:
            stored = f"{contribution.total_points} points"
            report.add(Area.POINTS, f"contribution {contribution.id}", stored, expected)


class _Recomputation:
    """Remembers results: a wiki's contributions share few combinations of factors."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.points
        self._known: dict[tuple[str, Factors], int | None] = {}

    def of(self, kind: str, factors: Factors) -> int | None:
        key = (kind, factors)
        if not _is_hashable(factors):
            return recomputed_points(self._rules, kind, factors)
        if key not in self._known:
            if len(self._known) >= CACHED_MAX:
                self._known.clear()
            self._known[key] = recomputed_points(self._rules, kind, factors)
        return self._known[key]


def _is_hashable(factors: Factors) -> bool:
    values = (factors.base_points, factors.quality, factors.reputation, factors.demand)
    return all(isinstance(value, Hashable) for value in values)


def _factors(contribution: StoredContribution) -> Factors:
    return Factors(
        contribution.base_points,
        contribution.quality,
        contribution.reputation,
        contribution.demand,
    )


def _defect(rules: Rules, contribution: StoredContribution) -> str | None:
    return defect(
        rules.points,
        {
            "user_id": contribution.user_id,
            "type": contribution.type,
            "total_points": contribution.total_points,
            "created_at_is_date": contribution.created_at is not None,
        },
    )
