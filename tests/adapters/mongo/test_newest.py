"""The newest documents are found by reading short ranges of dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.mongo.wiki.newest import newest

FIRST = datetime(2010, 1, 1, tzinfo=UTC)
COUNT = 20
MOST = 100


class Wiki:
    """Documents in any order, and the number of reads."""

    def __init__(self, dates: list[datetime], until: datetime | None = None) -> None:
        self.documents: list[dict[str, Any]] = [{"created_at": each} for each in dates]
        self.until = until
        self.reads = 0

    def read(self, since: datetime | None, most: int) -> list[dict[str, Any]]:
        self.reads += 1
        found = [
            each
            for each in self.documents
            if (since is None or each["created_at"] >= since)
            and (self.until is None or each["created_at"] <= self.until)
        ]
        return found[:most]


def check(wiki: Wiki, before: datetime | None) -> None:
    found = newest(wiki.read, COUNT, before)
    dates = sorted((d["created_at"] for d in wiki.documents), reverse=True)
    dates = [each for each in dates if before is None or each <= before]
    if found is None:
        return
    complete = sorted((d["created_at"] for d in found), reverse=True)
    assert complete == dates[: len(complete)]
    assert len(complete) == len(dates) or complete[-1] > dates[len(complete)]
    inside = [each for each in complete if before is None or each < before]
    assert len(inside) >= COUNT or len(complete) == len(dates)


@given(
    st.lists(st.integers(0, 10_000), max_size=400),
    st.sampled_from([1, 60, 86_400 * 30]),
    st.one_of(st.none(), st.integers(0, 10_000)),
)
def test_the_newest_are_all_there(numbers: list[int], scale: int, before: int | None) -> None:
    dates = [FIRST + timedelta(seconds=scale * number) for number in numbers]
    until = None if before is None else FIRST + timedelta(seconds=scale * before)

    check(Wiki(dates, until), until)


@pytest.mark.parametrize("step", [timedelta(milliseconds=1), timedelta(minutes=7), timedelta(1)])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_busy_users_page_takes_few_reads(step: timedelta, reverse: bool) -> None:
    dates = sorted((FIRST + step * n for n in range(5_000)), reverse=reverse)
    wiki = Wiki(dates)

    found = newest(wiki.read, COUNT, None)

    assert found is not None
    assert COUNT <= len(found) < MOST
    assert wiki.reads <= (2 if reverse else 50)


def test_too_many_of_one_moment_are_left_to_a_sort() -> None:
    assert newest(Wiki([FIRST] * 300).read, COUNT, None) is None
    assert newest(Wiki([datetime.max.replace(tzinfo=UTC)] * 300).read, COUNT, None) is None
    assert newest(Wiki([FIRST] * 300, FIRST).read, COUNT, FIRST) is None
