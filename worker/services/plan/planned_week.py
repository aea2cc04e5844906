"""The one way to look a planned week up."""

from __future__ import annotations

from worker.core.errors import NotReady
from worker.core.payout.records import Distribution
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.payout import Store


class NotPlanned(NotReady):
    """The week has no plan yet."""

    def __init__(self, week: Week) -> None:
        super().__init__(f"{week.label} is not planned yet. See `kontrib status {week.label}`.")


def planned_week(store: Store, week: Week) -> PlannedWeek:
    """The plan of a week, read from the database alone.

    Raises:
        NotPlanned: there is none.
        MalformedPlan: its stored header cannot be read.
    """
    distribution = store.distribution(week)
    if distribution is None:
        raise NotPlanned(week)
    return require_planned(distribution)


def require_planned(distribution: Distribution) -> PlannedWeek:
    """The plan of a week that was read before.

    Raises:
        NotPlanned: it has none.
        MalformedPlan: its stored header cannot be read.
    """
    if (planned := distribution.planned) is None:
        raise NotPlanned(distribution.week)
    return planned
