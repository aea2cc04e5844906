"""Looks up weeks that have a plan."""

from __future__ import annotations

from worker.core.errors import NotReady
from worker.core.payout.records import Distribution
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.payout import Store


class NotPlanned(NotReady):
    """The week has no plan yet."""

    def __init__(self, week: Week, first_week: Week | None = None) -> None:
        text = f"{week.label} is not planned yet. See `kontrib status {week.label}`."
        if first_week is not None and week < first_week:
            text = f"{week.label} lies before the first week, {first_week.label}: it has no plan."
        super().__init__(text)


def planned_week(store: Store, week: Week) -> PlannedWeek:
    """The plan of a week, read from the database alone.

    Raises:
        NotPlanned: there is none.
        MalformedPlan: its stored header cannot be read.
    """
    distribution = store.distribution(week)
    if distribution is None:
        raise NotPlanned(week, store.first_week())
    return plan_of(week, distribution)


def plan_of(week: Week, distribution: Distribution | None) -> PlannedWeek:
    """The plan in a record that was read already.

    Raises:
        NotPlanned, MalformedPlan: see `planned_week`.
    """
    planned = distribution.planned if distribution else None
    if planned is None:
        raise NotPlanned(week)
    return planned


def planned_distribution(store: Store, week: Week) -> Distribution:
    """The record of a planned week, whose stored header may be damaged.

    Raises:
        NotPlanned: there is none.
    """
    distribution = store.distribution(week)
    if distribution is None or distribution.plan_id is None:
        raise NotPlanned(week, store.first_week())
    return distribution
