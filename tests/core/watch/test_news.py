"""The end of a week is news for two days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.watch.news import CLOSED_IS_NEWS, is_newly_completed
from worker.core.week import Week

WEEK = Week.parse("2024-W50")
DONE = datetime(2024, 12, 17, tzinfo=UTC)


def test_a_completed_week_is_news_until_the_time_is_over() -> None:
    completed = Distribution(WEEK, Stage.COMPLETED, completed_at=DONE)
    assert is_newly_completed(completed, DONE + CLOSED_IS_NEWS - timedelta(seconds=1))
    assert not is_newly_completed(completed, DONE + CLOSED_IS_NEWS)


def test_an_open_week_is_no_news_even_if_it_was_completed_before() -> None:
    reopened = Distribution(WEEK, Stage.PREPARED, completed_at=DONE)
    assert not is_newly_completed(reopened, DONE)


def test_a_week_that_the_wiki_completed_at_an_unknown_time_is_no_news() -> None:
    assert not is_newly_completed(Distribution(WEEK, Stage.COMPLETED), DONE)
