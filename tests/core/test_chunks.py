"""Chunks hold every item once, in order."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from worker.core.chunks import chunks


@given(st.lists(st.integers()), st.integers(1, 10))
def test_every_item_is_in_one_chunk_in_order(items: list[int], size: int) -> None:
    parts = list(chunks(items, size))
    assert [item for part in parts for item in part] == items
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)


def test_no_more_is_read_than_asked_for() -> None:
    counter = itertools.count()
    assert next(chunks(counter, 3)) == [0, 1, 2]
    assert next(counter) == 3
