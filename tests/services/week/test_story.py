"""The story of a week: each stage names the jobs that lead to the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of
from tests.simulation.faults.traps import do
from worker.core.errors import Unreachable
from worker.core.lifecycle import Stage
from worker.services.week.due import find_work
from worker.services.week.story import Job, Work, story
from worker.services.week.unblock import retry_week


def test_every_job_has_its_place() -> None:
    jobs = (job for stage in Stage for job in story(stage))
    assert list(dict.fromkeys(jobs)) == list(Job)
    assert list(story(Stage.COMPLETED)) == [Job.PAY, Job.SINGLES, Job.READ_BACK]


def test_the_jobs_of_a_stage_lead_to_the_next_stage(world: World) -> None:
    world.populate(7)
    world.genesis()
    stages = [Stage.DUE]
    while work := find_work(world.first):
        assert {each.job for each in work} <= story(stages[-1]).keys()
        for each in work:
            world.do(world.first, each)
        if (stage := world.distribution().stage) is not stages[-1]:
            stages.append(stage)
    assert stages == list(Stage)


def test_a_stop_keeps_a_week_at_its_stage_and_lets_payments_go_on(world: World) -> None:
    world.populate(7)
    world.genesis()
    for expected in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY):
        stop(world, stopped=True)
        is_payment = expected is Job.PAY
        assert [each.job for each in find_work(world.first)] == [Job.PAY] * is_payment
        stop(world, stopped=False)
        (work,) = find_work(world.first)
        assert work.job is expected
        world.do(world.first, work)
    stop(world, stopped=True)
    assert find_work(world.first) == []
    stop(world, stopped=False)
    assert find_work(world.first) == [Work(Job.CLOSE, WEEK)]


def stop(world: World, *, stopped: bool) -> None:
    now = world.clock.now()
    world.first.store.ensure_distribution(WEEK, now)
    world.first.store.record_failure(
        WEEK, reason="no tries are left", next_attempt_at=now, attempts=12, stopped=stopped
    )


CLOSE = Work(Job.CLOSE, WEEK)
TAKEN = f"{WEEK.label} waits, or another worker closes it"


@pytest.fixture
def paid(world: World) -> World:
    """A week whose payments are settled, and that is not closed."""
    world.populate(7)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY)
    return world


def test_two_workers_that_were_woken_close_a_week_once(paid: World) -> None:
    """The other one begins while the first asks the chain."""
    others: list[str] = []

    def begin_too(method: str) -> None:
        if not others:
            others.append("begun")
            others.append(paid.do(paid.first, CLOSE).sentence)

    chain_of(paid.first).before = begin_too

    closed = paid.do(paid.first, CLOSE).sentence

    assert closed.startswith("closed; ")
    assert others == ["begun", TAKEN]
    assert paid.distribution().stage is Stage.COMPLETED
    assert paid.distribution().next_attempt_at is None


def test_a_message_that_comes_after_the_close_changes_nothing(paid: World) -> None:
    do(paid.first, Job.CLOSE)
    closed, calls = paid.distribution(), list[str]()
    chain_of(paid.first).before = calls.append

    assert paid.do(paid.first, CLOSE).sentence == f"{WEEK.label} is closed already"
    assert (paid.distribution(), calls) == (closed, [])


def test_a_worker_that_was_killed_while_it_closed_leaves_the_week_to_the_sweep(
    paid: World,
) -> None:
    lease = paid.first.limits.lease
    assert paid.first.store.reserve(paid.distribution(), paid.clock.now() + lease)
    paid.clock.sleep((lease - timedelta(seconds=1)).total_seconds())
    assert find_work(paid.first) == []
    assert paid.do(paid.first, CLOSE).sentence == TAKEN

    paid.clock.sleep(1)

    assert find_work(paid.first) == [CLOSE]
    assert paid.do(paid.first, CLOSE).sentence.startswith("closed; ")


def test_a_message_does_not_shorten_the_pause_after_a_failure(paid: World) -> None:
    is_silent = True

    def answer(method: str) -> None:
        if is_silent:
            raise Unreachable("no endpoint answers")

    chain_of(paid.first).before = answer
    with pytest.raises(Unreachable):
        paid.do(paid.first, CLOSE)
    failed, is_silent = paid.distribution(), False

    assert paid.do(paid.first, CLOSE).sentence == TAKEN
    assert paid.distribution() == failed
    retry_week(paid.first.store, WEEK)
    assert paid.do(paid.first, CLOSE).sentence.startswith("closed; ")
