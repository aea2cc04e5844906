"""Checks whether each contribution can count, and whether its factors give its points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache, partial

from worker.core.check.points import recomputed_points
from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.plan.points import defect
from worker.core.plan.rules import Rules
from worker.core.wording import counted
from worker.ports.check import CheckStore
from worker.services.wiki_context import WikiContext

CACHED_MAX = 100_000
CHUNK = 1000


def check_points(store: CheckStore, rules: Rules, report: CheckReport) -> None:
    """Check all contributions in one pass. Plans pay the stored points, even if they are wrong."""
    recompute = partial(recomputed_points, rules.points)
    # A wiki's contributions share few combinations of factors.
    remembered = lru_cache(CACHED_MAX)(recompute)
    for contribution in store.all_contributions():
        report.looked_at["contributions"] += 1
        subject = f"contribution {contribution.id}"
        facts = {
            "user_id": contribution.user_id,
            "type": contribution.type,
            "total_points": contribution.total_points,
            "created_at_is_date": contribution.created_at is not None,
        }
        if (reason := defect(rules.points, facts)) is not None:
            report.add(Area.POINTS, subject, "left out", reason)
            continue
        kind, factors = str(contribution.type), contribution.factors
        if all(value is None for value in factors.values):
            continue  # the document holds the points alone, so they cannot be computed
        is_hashable = all(isinstance(value, Hashable) for value in factors.values)
        expected = (remembered if is_hashable else recompute)(kind, factors)
        if expected is None:
            report.add(Area.POINTS, subject, factors, "factors that are numbers")
        elif expected != contribution.total_points:
            stored = f"{contribution.total_points} points"
            report.add(Area.POINTS, subject, stored, expected)


def check_contributors(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Find contributions of users who are missing from `users`: no plan can count them."""
    contributions, points = Counter[str](), Counter[str]()
    for chunk in chunks(store.contributors(), CHUNK):
        known = wiki.store.accounts([each.user_id for each in chunk], [])
        for each in chunk:
            if each.user_id not in known:
                contributions[each.user_id] += each.contributions
                points[each.user_id] += each.points
    for user_id, count in contributions.items():
        found = f"missing, with {counted(count, 'contribution')} of {points[user_id]} points"
        report.add(Area.POINTS, f"user {user_id}", found, "in users, to count in a plan")
