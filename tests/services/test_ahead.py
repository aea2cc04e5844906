"""Items are made while others are used or written, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from worker.services.ahead import WRITERS, ahead, meanwhile, side_by_side


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


# --- writes side by side --------------------------------------------------------------------------


def test_each_item_is_written_once() -> None:
    written: list[int] = []

    side_by_side(written.append, range(50))
    side_by_side(written.append, ())

    assert sorted(written) == list(range(50))


def test_several_are_written_at_once_and_the_next_is_made_meanwhile() -> None:
    made: list[int] = []
    all_write, next_is_made = threading.Barrier(WRITERS), threading.Event()

    def items() -> Iterator[int]:
        for number in range(WRITERS + 1):
            made.append(number)
            if number == WRITERS:
                next_is_made.set()
            yield number

    def write(number: int) -> None:
        if number < WRITERS:
            all_write.wait(10)
            assert next_is_made.wait(10)

    side_by_side(write, items())

    assert made == list(range(WRITERS + 1))


def test_no_more_than_so_many_are_written_at_once() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def write(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.002)
        with lock:
            now -= 1

    side_by_side(write, range(30))

    assert most <= WRITERS


def test_an_error_comes_after_the_writes_under_way_and_stops_the_others() -> None:
    may_go_on = threading.Event()
    written: list[int] = []

    def write(number: int) -> None:
        if number == 0:
            may_go_on.set()
            raise KeyError("broken")
        assert may_go_on.wait(10)
        written.append(number)

    with pytest.raises(KeyError, match="broken"):
        side_by_side(write, range(30))

    assert sorted(written) == list(range(1, WRITERS))


def test_an_error_of_the_items_comes_after_the_writes_under_way() -> None:
    written: list[int] = []

    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        side_by_side(written.append, items())

    assert written == [1]


def test_the_work_goes_on_while_the_block_runs_and_ends_with_it() -> None:
    may_end, ended = threading.Event(), list[str]()

    def work() -> str:
        assert may_end.wait(10)
        ended.append("work")
        return "done"

    with meanwhile(work) as result:
        assert not ended
        may_end.set()

    assert ended == ["work"]
    assert result.result() == "done"


def test_an_error_of_the_block_comes_after_the_work() -> None:
    may_end, ended = threading.Event(), list[str]()

    def work() -> None:
        assert may_end.wait(10)
        ended.append("work")

    def block() -> None:
        with meanwhile(work):
            may_end.set()
            raise ValueError("block")

    with pytest.raises(ValueError, match="block"):
        block()

    assert ended == ["work"]


def test_an_error_of_the_work_is_raised_where_its_result_is_asked_for() -> None:
    def work() -> None:
        raise ValueError("work")

    with meanwhile(work) as result:
        pass
    with pytest.raises(ValueError, match="work"):
        result.result()
