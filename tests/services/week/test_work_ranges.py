"""The division of a week's batches among tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.payout.records import Payout
from worker.services.context import Limits
from worker.services.payout import pay
from worker.services.week.due import find_work, follow_up
from worker.services.week.story import Job, Work


def ranges(world: World, largest: int) -> list[tuple[int, int]]:
    context = replace(world.first, limits=Limits(batches_per_task=largest))
    return [(w.first, w.last) for w in find_work(context) if w.job is Job.PAY]


@pytest.fixture
def paying_world() -> World:
    """Seven batches that are to be paid."""
    world = World(batch_size=3)
    world.populate(21)
    world.genesis()
    while (found := find_work(world.first))[0].job is not Job.PAY:
        world.do(world.first, found[0])
    return world


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (7, [(0, 7)]),
        (100, [(0, 100)]),
        (6, [(0, 4), (4, 8)]),
        (4, [(0, 4), (4, 8)]),
        (3, [(0, 3), (3, 6), (6, 9)]),
        (1, [(n, n + 1) for n in range(7)]),
    ],
)
def test_tasks_get_equal_parts_none_above_the_largest(
    paying_world: World, largest: int, expected: list[tuple[int, int]]
) -> None:
    assert ranges(paying_world, largest) == expected


def test_who_has_paid_a_range_goes_on_with_one_that_nobody_works_on(paying_world: World) -> None:
    """Its message may have expired while every worker was busy."""
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    first, second, third = (w for w in find_work(context) if w.job is Job.PAY)
    paying_world.do(context, third)
    leased = range(first.first, first.last)
    now = paying_world.clock.now()
    context.store.claim(
        paying_world.distribution().plan_id or "",
        leased,
        9,
        now=now,
        until=now + timedelta(hours=1),
    )

    assert follow_up(context, third) == [second]


def test_workers_that_end_together_choose_different_ranges(paying_world: World) -> None:
    context = replace(paying_world.first, limits=Limits(batches_per_task=2))
    first, second, third, fourth = (w for w in find_work(context) if w.job is Job.PAY)
    paying_world.do(context, fourth)
    paying_world.do(context, third)

    assert [follow_up(context, done) for done in (third, fourth)] == [[first], [second]]


def test_who_has_paid_a_range_goes_on_behind_it_at_once(paying_world: World) -> None:
    """It would wait for finality at the end of each range."""
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    _, second, third = (w for w in find_work(context) if w.job is Job.PAY)

    assert "4 of 4 payouts paid" in paying_world.do(context, second).sentence
    assert [w.first for w in find_work(context) if w.job is Job.PAY] == [0]
    done = paying_world.do(context, third)
    assert (done.again, "0 of 0 payouts paid" in done.sentence) == (False, True)


def test_the_batches_behind_are_looked_through_some_at_a_time(
    paying_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that looks through a whole large week takes the database a tenth of a second."""
    monkeypatch.setattr(pay, "BEHIND_MIN", 2)
    store, asked = store_of(paying_world.first), list[range]()
    claim = store.claim

    def noted(plan_id: str, positions: range, limit: int, **times: datetime) -> list[Payout]:
        asked.append(positions)
        return claim(plan_id, positions, limit, **times)

    monkeypatch.setattr(store, "claim", noted)
    paying_world.do(paying_world.first, Work(Job.PAY, WEEK, 0, 1))

    assert sorted(set(asked), key=lambda each: each.start) == [
        range(1), range(1, 3), range(3, 5), range(5, 7)
    ]  # fmt: skip


def test_nobody_goes_on_for_so_long_that_other_tasks_wait(
    paying_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pay, "GOES_ON", timedelta())
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    first, second, third = (w for w in find_work(context) if w.job is Job.PAY)

    assert "3 of 3 payouts paid" in paying_world.do(context, first).sentence
    assert [w for w in find_work(context) if w.job is Job.PAY] == [second, third]


def test_who_has_work_left_goes_on_with_it(paying_world: World) -> None:
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    _, second, _ = (w for w in find_work(context) if w.job is Job.PAY)

    assert follow_up(context, second) == [second]
