"""Weeks run Monday to Monday, UTC."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK, weeks
from worker.core.week import MalformedWeek, Week

offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.builds(
    lambda seconds, offset: datetime.fromtimestamp(seconds, offset),
    st.floats(365 * 86_400, 330 * 365 * 86_400),
    offsets,
)


@given(weeks)
def test_both_ways_to_write_a_week_are_read_back(week: Week) -> None:
    assert Week.parse(week.id) == week
    assert Week.parse(week.label) == week
    assert str(week) == week.label


@pytest.mark.parametrize("text", ["2024-W50", "2024W50", "2024-12-09", " 2024-W50\n"])
def test_a_week_is_named_by_its_number_or_its_monday(text: str) -> None:
    week = Week.parse(text)

    assert week == A_WEEK
    assert (week.id, week.label) == ("2024-12-09", "2024-W50")


@pytest.mark.parametrize(
    "text", ["٢٠٢٤-W٥٠", "２０２４-W50", "2024-W5_0", "+2024-W50", "٢٠٢٤-١٢-٠٩"]
)
def test_a_week_is_written_in_the_digits_0_to_9(text: str) -> None:
    with pytest.raises(MalformedWeek):
        Week.parse(text)


@pytest.mark.parametrize(
    ("label", "monday"),
    [
        ("2020-W53", "2020-12-28"),
        ("2021-W01", "2021-01-04"),
        ("2024-W01", "2024-01-01"),
        ("2024-W53", None),
        ("2025-W01", "2024-12-30"),
        ("2026-W53", "2026-12-28"),
        ("2024-W09", "2024-02-26"),  # holds the leap day
        ("2027-W01", "2027-01-04"),
    ],
)
def test_weeks_at_year_boundaries_and_leap_days(label: str, monday: str | None) -> None:
    if monday is None:
        with pytest.raises(MalformedWeek):
            Week.parse(label)
    else:
        assert Week.parse(label).id == monday
        assert Week.parse(monday).label == label


def test_a_week_with_a_leap_day_is_seven_days_long() -> None:
    week = Week.parse("2024-02-26")

    assert Week.containing(datetime(2024, 2, 29, 12, tzinfo=UTC)) == week
    assert week.next().id == "2024-03-04"
    assert week.end - week.start == timedelta(days=7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-W00",
        "2024-W54",
        "2024-W5",
        "2024-w50",
        "W50-2024",
        "0000-W01",
        "2024-12-10",
        "2024-12-32",
        "2023-02-29",
        "12/09/2024",
        "2024-12-09T00:00:00",
        "last week",
        "-2024-W50",
        "99999-W01",
        "2024-W50\x00",
        "9999-W52",
        "9999-12-27",
        "0001-01-01",
        "1969-W52",
    ],
)
def test_what_is_no_week_is_refused_and_says_how_to_write_one(text: str) -> None:
    with pytest.raises(MalformedWeek, match="Write it as 2024-W50") as raised:
        Week.parse(text)

    assert raised.value.text == text


def test_the_reason_why_it_is_no_week_is_named() -> None:
    with pytest.raises(MalformedWeek, match=r"\(Invalid week: 54\)"):
        Week.parse("2024-W54")


@pytest.mark.parametrize("label", ["1970-W02", "9998-W52"])
def test_the_first_and_the_last_year_have_weeks(label: str) -> None:
    assert Week.parse(label).label == label


@given(st.text(max_size=12))
def test_any_text_is_a_week_or_is_refused(text: str) -> None:
    try:
        week = Week.parse(text)
    except MalformedWeek:
        week = None

    assert week is None or week.monday.weekday() == 0


@pytest.mark.parametrize("day", range(10, 16))
def test_a_week_begins_on_no_other_day(day: int) -> None:
    with pytest.raises(MalformedWeek, match="is not a Monday"):
        Week(date(2024, 12, day))


@given(moments)
def test_every_moment_falls_into_exactly_one_week(moment: datetime) -> None:
    week = Week.containing(moment)

    assert week.start <= moment < week.end
    assert week.start.weekday() == 0
    assert week.start.utcoffset() == timedelta()


@given(moments, offsets)
def test_the_week_of_a_moment_is_the_same_in_every_timezone(moment, offset) -> None:
    assert Week.containing(moment.astimezone(offset)) == Week.containing(moment)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_timezone_of_the_machine_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        found = [Week.containing(A_WEEK.start), Week.containing(A_WEEK.end - timedelta(seconds=1))]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == [A_WEEK, A_WEEK]


def test_monday_in_auckland_is_still_sundays_week() -> None:
    auckland = timezone(timedelta(hours=13))
    early_monday = datetime(2024, 12, 16, 8, tzinfo=auckland)

    assert Week.containing(early_monday) == A_WEEK


def test_the_end_belongs_to_the_next_week() -> None:
    last = A_WEEK.end - timedelta(microseconds=1)

    assert Week.containing(last) == A_WEEK
    assert Week.containing(A_WEEK.end) == A_WEEK.next()


@given(weeks, st.integers(0, 60))
def test_going_back_and_forth_ends_where_it_began(week: Week, count: int) -> None:
    later = week
    for _ in range(count):
        later = later.next()

    assert later.back(count) == week
    assert later.next().previous() == later
    assert later.start - week.start == timedelta(weeks=count)
    assert (week < later) == (count > 0)


@given(weeks, st.integers(-3, 60))
def test_until_lists_every_week_once_with_both_ends(week: Week, count: int) -> None:
    last = week.back(-count)

    listed = week.until(last)

    assert len(listed) == max(0, count + 1)
    assert listed == sorted(set(listed))
    assert not listed or (listed[0], listed[-1]) == (week, last)
