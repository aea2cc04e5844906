"""The contributions that a week's plan counts."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from worker.core.plan.counted_contributions import points_window
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
