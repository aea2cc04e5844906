"""Decides which contributions a week's plan counts.

Every contribution counts in exactly one week, whenever it is recorded.

The time of recording is the ObjectId's, in whole seconds. A contribution can be late until its week
and the next `LATE_WEEKS` weeks are over. An ObjectId of a later time is random: it says nothing
about the time of recording, and `created_at` alone decides, as it does without an ObjectId.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.core.plan.rules import LATE_WEEKS
from worker.core.week import Week

_LATE = timedelta(weeks=LATE_WEEKS)


class Place(enum.StrEnum):
    """The place of a dated contribution in a plan's window."""

    OWN = "own"
    """Created in the week, and counted."""
    LATE = "late"
    """Created before the week, and counted."""
    AFTER = "after"
    """Created in the week, and recorded after the cut-off: a later plan counts it as late."""


@dataclass(frozen=True, slots=True)
class PointsWindow:
    """The contributions that a plan counts.

    The week's own ones: `created_at` is in the week, and they were recorded before `cutoff` or at
    an unknown time. Late ones: `created_at` is in [late_from, week.start), and they were recorded
    in [previous_cutoff, cutoff).
    """

    week: Week
    cutoff: datetime
    previous_cutoff: datetime | None
    late_from: datetime

    @property
    def random_from(self) -> datetime:
        """ObjectIds of the week's own contributions are random from this time on."""
        return self.week.end + _LATE

    def late_weeks(self) -> Iterator[tuple[datetime, datetime]]:
        """The end of each week whose late contributions count, and the time from which their
        ObjectIds are random. Weeks whose limit is not before the cut-off are left out."""
        end = self.late_from + timedelta(weeks=1)
        while end <= self.week.start and end + _LATE < self.cutoff:
            yield end, end + _LATE
            end += timedelta(weeks=1)

    def place(self, created_at: datetime, recorded_at: datetime | None) -> Place | None:
        """The place of a contribution; None outside of the window.

        `recorded_at`: the time of its ObjectId, None without one.
        """
        recorded_at = recording_time(created_at, recorded_at)
        if self.week.start <= created_at < self.week.end:
            return Place.AFTER if recorded_at and recorded_at >= self.cutoff else Place.OWN
        if recorded_at is None or self.previous_cutoff is None:
            return None
        is_late = self.late_from <= created_at < self.week.start
        is_new = self.previous_cutoff <= recorded_at < self.cutoff
        return Place.LATE if is_late and is_new else None


def recording_time(created_at: datetime, recorded_at: datetime | None) -> datetime | None:
    """The time of an ObjectId, or None if it says nothing about the time of recording."""
    if recorded_at is None or recorded_at < created_at:
        return recorded_at
    return recorded_at if recorded_at - _LATE < Week.containing(created_at).end else None


def points_window(
    week: Week, since: Week, cutoff: int, previous_cutoff: int | None
) -> PointsWindow:
    """The window of a plan with this cut-off (unix seconds), after the plan of the week before.

    `since`: the earliest week whose late contributions count.
    """
    return PointsWindow(
        week=week,
        cutoff=datetime.fromtimestamp(cutoff, UTC),
        previous_cutoff=(
            None if previous_cutoff is None else datetime.fromtimestamp(previous_cutoff, UTC)
        ),
        late_from=max(week.back(LATE_WEEKS), since).start,
    )
