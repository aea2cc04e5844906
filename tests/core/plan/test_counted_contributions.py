"""The contributions that a week's plan counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.plan.counted_contributions import (
    Place,
    PointsWindow,
    points_window,
    recording_time,
)
from worker.core.plan.rules import LATE_WEEKS
from worker.core.week import Week

FIRST = Week.parse("2024-W01")


@given(st.integers(0, 100))
def test_late_contributions_count_for_some_weeks_and_never_from_before_the_first(n: int) -> None:
    week = FIRST
    for _ in range(n):
        week = week.next()
    window = points_window(week, FIRST, 2_000_000_000, None)
    assert window.late_from == (week.back(LATE_WEEKS) if n > LATE_WEEKS else FIRST).start


def test_cut_offs_are_unix_seconds() -> None:
    window = points_window(FIRST, FIRST, 1_704_672_600, 1_704_067_200)
    assert window.cutoff == datetime(2024, 1, 8, 0, 10, tzinfo=UTC)
    assert window.previous_cutoff == datetime(2024, 1, 1, tzinfo=UTC)
    assert points_window(FIRST, FIRST, 1_704_672_600, None).previous_cutoff is None


# --- each contribution in one week --------------------------------------------------------------

WEEKS = FIRST.until(Week.parse("2024-W12"))
SPAN = int((WEEKS[-1].end - WEEKS[0].start).total_seconds())


@st.composite
def consecutive_windows(draw: st.DrawFn) -> list[PointsWindow]:
    """The windows of all weeks, each planned some time after its end and after the one before."""
    windows: list[PointsWindow] = []
    cutoff = 0
    for week in WEEKS:
        delay = draw(st.one_of(st.integers(1, 10_000), st.integers(1, SPAN)))
        previous = cutoff or None
        cutoff = max(cutoff + 1, int(week.end.timestamp()) + delay)
        windows.append(points_window(week, FIRST, cutoff, previous))
    return windows


@given(
    consecutive_windows(),
    st.integers(0, 7 * 8 * 86_400_000 - 1),
    st.one_of(st.none(), st.integers(0, 2**32 - 1), st.integers(-SPAN, SPAN)),
)
def test_each_contribution_counts_in_exactly_one_week(
    windows: list[PointsWindow], made: int, recorded: int | None
) -> None:
    """The id of a contribution may be of its own time, late, random, or missing."""
    created_at = FIRST.start + timedelta(milliseconds=made)
    recorded_at = None if recorded is None else datetime.fromtimestamp(recorded, UTC)
    if recorded is not None and abs(recorded) <= SPAN:
        recorded_at = created_at + timedelta(seconds=recorded)

    places = [window.place(created_at, recorded_at) for window in windows]

    assert sum(place in (Place.OWN, Place.LATE) for place in places) == 1
    own = places[WEEKS.index(Week.containing(created_at))]
    assert own is (Place.AFTER if Place.LATE in places else Place.OWN)


@pytest.mark.parametrize(
    ("late_by", "known"),
    [
        (timedelta(days=-20_000), True),
        (timedelta(0), True),
        (timedelta(weeks=LATE_WEEKS, days=6, hours=23, minutes=59, seconds=59), True),
        (timedelta(weeks=LATE_WEEKS, days=7), False),
        (timedelta(days=20_000), False),
    ],
)
def test_an_object_id_later_than_any_late_contribution_says_nothing(
    late_by: timedelta, known: bool
) -> None:
    made = FIRST.next().start

    assert recording_time(made, made + late_by) == (made + late_by if known else None)


def test_dates_at_both_ends_of_the_calendar_have_a_recording_time() -> None:
    recorded = datetime(2024, 1, 1, tzinfo=UTC)
    assert recording_time(datetime.max.replace(tzinfo=UTC), recorded) == recorded
    assert recording_time(datetime(1, 1, 1, tzinfo=UTC), recorded) is None


@pytest.mark.parametrize("weeks_late", [0, 1, 4, 5, 6, 9, 20])
@pytest.mark.parametrize("second", [-1, 0, 1])
@pytest.mark.parametrize("age", [0, 2, 7])
def test_old_weeks_have_a_limit_for_their_object_ids(
    weeks_late: int, second: int, age: int
) -> None:
    week = FIRST.until(Week(FIRST.monday + timedelta(weeks=age)))[-1]
    cutoff = int((week.end + timedelta(weeks=weeks_late - 3)).timestamp()) + second
    window = points_window(week, FIRST, cutoff, 0)

    late = window.late_from.date()
    earlier = Week(late).until(week.previous()) if age else []
    limits = [(each.end, each.end + timedelta(weeks=LATE_WEEKS)) for each in earlier]
    assert list(window.late_weeks()) == [
        (end, limit) for end, limit in limits if limit < window.cutoff
    ]


# --- the ends of a window -----------------------------------------------------------------------

WEEK = Week.parse("2024-W10")
SECOND = timedelta(seconds=1)
CUTOFF, PREVIOUS = WEEK.end + timedelta(hours=1), WEEK.start + timedelta(hours=1)
WINDOW = points_window(WEEK, FIRST, int(CUTOFF.timestamp()), int(PREVIOUS.timestamp()))


@pytest.mark.parametrize(
    ("created_at", "recorded_at", "place"),
    [
        (WEEK.start, PREVIOUS, Place.OWN),
        (WEEK.end - SECOND, CUTOFF - SECOND, Place.OWN),
        (WEEK.end - SECOND, CUTOFF, Place.AFTER),
        (WEEK.end - SECOND, None, Place.OWN),
        (WEEK.end, CUTOFF - SECOND, None),
        (WEEK.end, None, None),
        (WEEK.start - SECOND, PREVIOUS - SECOND, None),
        (WEEK.start - SECOND, PREVIOUS, Place.LATE),
        (WEEK.start - SECOND, None, None),
        (WINDOW.late_from, PREVIOUS, Place.LATE),
        (WINDOW.late_from - SECOND, PREVIOUS, None),
    ],
)
def test_both_ends_of_a_window(
    created_at: datetime, recorded_at: datetime | None, place: Place | None
) -> None:
    assert WINDOW.place(created_at, recorded_at) is place


def test_what_is_recorded_at_the_cut_off_is_late_in_the_next_plan() -> None:
    early = replace(WINDOW, cutoff=PREVIOUS + SECOND)
    assert early.place(WEEK.start - SECOND, PREVIOUS) is Place.LATE
    assert early.place(WEEK.start - SECOND, PREVIOUS + SECOND) is None


def test_without_a_previous_plan_nothing_is_late() -> None:
    window = replace(WINDOW, previous_cutoff=None)
    assert window.place(WEEK.start - SECOND, PREVIOUS) is None
    assert window.place(WEEK.start, PREVIOUS) is Place.OWN
