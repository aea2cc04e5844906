"""Decides which contributions a week's plan counts.

Every contribution counts in exactly one week, whenever it is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from worker.core.plan.rules import LATE_WEEKS
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class PointsWindow:
    """The contributions that a plan counts.

    The week's own ones: `created_at` is in the week, and they were recorded before `cutoff` or have
    no ObjectId. Late ones: `created_at` is in [late_from, week.start), and they were recorded in
    [previous_cutoff, cutoff). The time of recording is the ObjectId's, in whole seconds.
    """

    week: Week
    cutoff: datetime
    previous_cutoff: datetime | None
    late_from: datetime


def points_window(
    week: Week, first_week: Week, cutoff: int, previous_cutoff: int | None
) -> PointsWindow:
    """The window of a plan with this cut-off (unix seconds), after the plan of the week before."""
    return PointsWindow(
        week=week,
        cutoff=datetime.fromtimestamp(cutoff, UTC),
        previous_cutoff=(
            None if previous_cutoff is None else datetime.fromtimestamp(previous_cutoff, UTC)
        ),
        late_from=max(week.back(LATE_WEEKS), first_week).start,
    )
