"""Contributions one by one: can each count, and do its factors give its points?"""

from __future__ import annotations

from collections.abc import Hashable

from worker.core.check.points import Factors, recomputed_points
from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.plan.points import defect
from worker.core.plan.rules import Rules
from worker.ports.check import CheckStore, Contributor, StoredContribution
from worker.services.wiki_context import WikiContext

CACHED_MAX = 100_000
CHUNK = 1000
LOOKED_AT = "contributions"


def check_points(store: CheckStore, rules: Rules, report: CheckReport) -> None:
    """One pass over all contributions. The stored value is what is paid, whatever this finds."""
    points = _Recomputation(rules)
    for contribution in store.all_contributions():
        report.looked_at[LOOKED_AT] += 1
        subject = f"contribution {contribution.id}"
        if (reason := _defect(rules, contribution)) is not None:
            report.add(Area.POINTS, subject, "left out", reason)
            continue
        factors = _factors(contribution)
        if factors.are_missing:
            continue  # only the result was recorded: there is nothing to compute it from
        expected = points.of(str(contribution.type), factors)
        if expected is None:
            report.add(Area.POINTS, subject, factors, "factors that are numbers")
        elif expected != contribution.total_points:
            stored = f"{contribution.total_points} points"
            report.add(Area.POINTS, subject, stored, expected)


def check_contributors(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Contributions of users who are not in `users`: they can count in no plan."""
    unknown: dict[str, Contributor] = {}
    for chunk in chunks(store.contributors(), CHUNK):
        known = wiki.store.accounts([each.user_id for each in chunk], [])
        for each in chunk:
            if each.user_id not in known:
                before = unknown.get(each.user_id, Contributor(each.user_id, 0, 0))
                unknown[each.user_id] = Contributor(
                    each.user_id,
                    before.contributions + each.contributions,
                    before.points + each.points,
                )
    for each in unknown.values():
        found = f"missing, with {each.contributions} contributions of {each.points} points"
        report.add(Area.POINTS, f"user {each.user_id}", found, "in users, to count in a plan")


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
