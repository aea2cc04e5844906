"""Chunks hold every item once, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.chunks import chunks


@given(items=st.lists(st.integers()), size=st.integers(1, 10))
def test_every_item_is_in_one_chunk_in_order(items: list[int], size: int) -> None:
    made = list(chunks(iter(items), size))

    assert [item for chunk in made for item in chunk] == items
    assert [len(chunk) for chunk in made[:-1]] == [size] * (len(made) - 1)
    assert all(made)


def test_a_chunk_is_read_only_when_it_is_needed() -> None:
    items = iter(range(10))

    assert next(chunks(items, 3)) == [0, 1, 2]
    assert next(items) == 3


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_would_drop_items_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"chunks of {size}"):
        list(chunks([1], size))
