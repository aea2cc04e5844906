"""Counts contributions again by the window and the rules of a week's plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from worker.core.plan.commitment import Header
from worker.core.plan.counted_contributions import PointsWindow, points_window
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.points import PointRules, Range
from worker.core.plan.rules import MULTIPLIER_KINDS, Rules
from worker.services.wiki_context import WikiContext


def as_planned(wiki: WikiContext, planned: PlannedWeek) -> tuple[PointsWindow, Rules]:
    """The window and the rules by which the week's plan counted contributions."""
    week, cutoff = planned.week, planned.header.cutoff
    first, earlier = wiki.store.first_week() or week, wiki.store.earlier_key()
    distribution = wiki.store.distribution(week.previous())
    previous = distribution.planned if distribution and week != first else None
    last = previous.header.cutoff if previous else None
    if week == first and earlier is not None:
        last = earlier.cutoff
    since = earlier.first_week if earlier and week >= first else first
    window = points_window(week, since, cutoff, last)
    return window, replace(wiki.rules(), points=_planned_points(planned.header))


def _planned_points(header: Header) -> PointRules:
    """The rules for points. The plan's header holds them as text, and without defaults."""
    ranges = {}
    for kind in MULTIPLIER_KINDS:
        low, high = (Decimal(header.rules["multipliers"][kind][end]) for end in ("min", "max"))
        ranges[kind] = Range(low, high, low)
    base_points = {name: int(text) for name, text in header.rules["base_points"].items()}
    return PointRules(base_points, **ranges)
