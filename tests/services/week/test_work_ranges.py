"""The division of a week's batches among tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.world import World
from worker.services.context import Limits
from worker.services.week.due import find_work, follow_up
from worker.services.week.story import Job


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
    paying_world.do(context, first)
    leased = range(second.first, second.last)
    now = paying_world.clock.now()
    context.store.claim(
        paying_world.distribution().plan_id or "",
        leased,
        9,
        now=now,
        until=now + timedelta(hours=1),
    )

    assert follow_up(context, first) == [third]


def test_workers_that_end_together_choose_different_ranges(paying_world: World) -> None:
    context = replace(paying_world.first, limits=Limits(batches_per_task=2))
    first, second, *rest = (w for w in find_work(context) if w.job is Job.PAY)
    paying_world.do(context, first)
    paying_world.do(context, second)

    assert [follow_up(context, done) for done in (first, second)] == [[rest[0]], [rest[1]]]


def test_who_came_too_late_for_a_range_looks_for_another_one(paying_world: World) -> None:
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    first = next(w for w in find_work(context) if w.job is Job.PAY)
    paying_world.do(context, first)

    assert paying_world.do(context, first).again


def test_who_has_work_left_goes_on_with_it(paying_world: World) -> None:
    context = replace(paying_world.first, limits=Limits(batches_per_task=3))
    _, second, _ = (w for w in find_work(context) if w.job is Job.PAY)

    assert follow_up(context, second) == [second]
