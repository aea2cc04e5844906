"""An event that fails several pieces of work of a week is counted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of
from worker.core.errors import KontribError, Refused
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import ATTEMPTS_MAX
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work


@pytest.fixture
def world() -> World:
    """A prepared week whose payments are two dozen pieces of work."""
    made = World(batch_size=1)
    made.first = replace(made.first, limits=replace(made.first.limits, batches_per_task=1))
    made.populate(24)
    made.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        made.do(made.first, Work(job, WEEK))
    return made


def fail(world: World, work: Work) -> None:
    with pytest.raises((KontribError, RuntimeError)):
        do_work(world.first, work, seconds=60)


def break_payments(world: World, error: Exception, begun: Callable[[], None]) -> None:
    def broken() -> None:
        begun()
        raise error

    chain_of(world.first).check_mint = broken  # type: ignore[method-assign]


def one_after_the_other(world: World, due: list[Work]) -> None:
    break_payments(world, RuntimeError("a lost index"), lambda: None)
    for work in due:
        fail(world, work)


def all_at_once(world: World, due: list[Work]) -> None:
    """Each begins before the ones before it have failed."""
    first, *waiting = due
    break_payments(
        world, RuntimeError("a lost index"), lambda: waiting and fail(world, waiting.pop())
    )
    fail(world, first)
    assert not waiting


@pytest.mark.parametrize("run", [one_after_the_other, all_at_once])
def test_payments_that_fail_for_one_reason_count_once(
    world: World, run: Callable[[World, list[Work]], None]
) -> None:
    check_mint = chain_of(world.first).check_mint
    for event in (1, 2):
        due = find_work(world.first)
        assert len(due) == 24 > ATTEMPTS_MAX
        assert {work.job for work in due} == {Job.PAY}
        run(world, due)
        found = world.distribution()
        assert (found.attempts, found.stopped) == (event, False)
        assert "RuntimeError during pay" in (found.reason or "")
        world.clock.sleep(120)
    chain_of(world.first).check_mint = check_mint  # type: ignore[method-assign]
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_another_failure_during_the_wait_counts_too(world: World) -> None:
    first, second, *_ = find_work(world.first)
    one_after_the_other(world, [first])
    break_payments(world, Refused("another event"), lambda: None)
    fail(world, second)
    assert world.distribution().attempts == 2
    assert "another event" in (world.distribution().reason or "")


def test_an_event_that_lasts_stops_the_week_at_last(world: World) -> None:
    for _ in range(ATTEMPTS_MAX):
        one_after_the_other(world, find_work(world.first))
        world.clock.sleep(10 * 3600)
    found = world.distribution()
    assert (found.attempts, found.stopped) == (ATTEMPTS_MAX, True)


def test_a_week_stops_also_if_it_is_due_on_a_faster_clock_first(world: World) -> None:
    """The sweep's machine is a minute ahead of the worker's, so the worker is early each time."""
    break_payments(world, RuntimeError("a lost index"), lambda: None)
    ahead = timedelta(minutes=1)
    for _ in range(2_000):
        world.clock.sleep(300)
        waits_until = world.distribution().next_attempt_at
        if waits_until is None or waits_until <= world.clock.now() + ahead:
            fail(world, Work(Job.PAY, WEEK, 0, 1))
        if world.distribution().stopped:
            break
    assert world.distribution().attempts == ATTEMPTS_MAX
    assert world.distribution().stopped
