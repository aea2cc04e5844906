"""The next item is made while the last one is used, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from worker.services.ahead import ahead


def test_the_items_come_in_order_until_the_end() -> None:
    assert list(ahead(range(50))) == list(range(50))
    assert list(ahead(())) == []
    assert list(ahead([None, None])) == [None, None]


def test_one_item_is_made_while_the_one_before_is_used() -> None:
    made: list[int] = []
    has_second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                has_second.set()
            yield number

    used = ahead(items())

    assert next(used) == 0
    assert has_second.wait(10)
    assert made == [0, 1]
    used.close()
    assert made == [0, 1]


def test_an_error_is_raised_in_the_place_of_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    used = ahead(items())

    assert next(used) == 1
    with pytest.raises(KeyError, match="broken"):
        next(used)


def test_a_loop_that_ends_early_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in ahead(iter(range(10))):
        break

    assert threading.active_count() == before
