"""Finds a user's newest documents without sorting all of the user's documents.

The local engine does not read an index in its order: a sort reads all documents of a user first.
Reading a short range of dates is fast on every engine, so this module looks for a range that holds
a page and little more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from worker.adapters.mongo.connection import Document

_FIRST_STEP = timedelta(days=30)
"""Too far is better than too near: reading an empty range is the fastest read."""
_GROWTH = 8
_SHORTEST = timedelta(milliseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)

Read = Callable[[datetime | None, int], list[Document]]
"""Reads documents from a moment on, or all of them: in any order, and at most so many."""


def newest(read: Read, count: int, before: datetime | None) -> list[Document] | None:
    """All documents from some moment on, in any order: at least `count` from before `before`, or
    else all documents. None if too many have the same date.

    `read` returns no documents after `before`.
    """
    most = max(100, 5 * count)
    found = read(None, most)
    if len(found) < most:
        return found
    low = _moment_of(found, count, before)  # from `low` on, there are enough
    if low is None:
        return None
    if _is_newest_first(found) and (page := _page(read, low, count, most, before)):
        return page
    high, step = before, _FIRST_STEP  # from `high` on, there are too few
    while high is None or high - low > _SHORTEST:
        if high is None:
            middle = low + min(step, _LAST - low)
            step *= _GROWTH
        else:
            middle = low + (high - low) / 2
        if middle <= low:
            return None
        found = read(middle, most)
        moment = _moment_of(found, count, before)
        if len(found) >= most:
            low = max(middle, moment or middle)
        elif moment is not None:
            return found
        else:
            high = middle
    return _page(read, low, count, most, before)


def _page(
    read: Read, since: datetime, count: int, most: int, before: datetime | None
) -> list[Document] | None:
    """All documents from a moment on, if they are enough and not too many."""
    found = read(since, most)
    is_page = len(found) < most and _moment_of(found, count, before) is not None
    return found if is_page else None


def _is_newest_first(found: list[Document]) -> bool:
    """Whether an engine reads the index in its order."""
    dates = [d["created_at"] for d in found if isinstance(d["created_at"], datetime)]
    return all(a >= b for a, b in itertools.pairwise(dates))


def _moment_of(found: list[Document], count: int, before: datetime | None) -> datetime | None:
    """The date of the document at place `count`, newest first; None if there are fewer."""
    moments = (document["created_at"] for document in found)
    dates = [m for m in moments if isinstance(m, datetime) and (before is None or m < before)]
    return sorted(dates, reverse=True)[count - 1] if len(dates) >= count else None
