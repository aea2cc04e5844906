"""No step wakes itself without progress: one that changes nothing is counted, and stops visibly.

The steps here report success, because the store under them takes their last write and forgets it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.errors import ExitCode, KontribError
from worker.core.lifecycle import Stage, Status
from worker.core.payout.backoff import ATTEMPTS_MAX
from worker.services.context import Context
from worker.services.week.due import find_work, follow_up
from worker.services.week.outcome import verdict
from worker.services.week.run import NoProgress, do_work
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

FORGOTTEN: dict[Job, dict[str, Any]] = {
    Job.PLAN: {"install_plan": True},
    Job.ANCHOR: {"advance": True},
    Job.ACCOUNTS: {"advance": True},
    Job.PAY: {"claim": []},
    Job.SINGLES: {"set_aside": None},
    Job.CLOSE: {"advance": True},
}
"""The calls of each job that the store confirms and forgets, with its answers."""


class Forgetful:
    """A store that confirms some calls and forgets them."""

    def __init__(self, store: Any, answers: dict[str, Any]) -> None:
        self._store, self._answers = store, answers

    def __getattr__(self, name: str) -> Any:
        if name in self._answers:
            return lambda *_, **__: self._answers[name]
        return getattr(self._store, name)


def at(world: World, job: Job) -> tuple[Context, Work]:
    """A week in which a job is due, and operators whose store forgets what the job writes."""
    world.populate(6)
    world.add_user("walletless", wallet=None)
    world.contribute("walletless", 100)
    world.genesis()
    while not (due := [each for each in find_work(world.first) if each.job is job]):
        world.do(world.first, find_work(world.first)[0])
    store: Any = Forgetful(world.first.store, FORGOTTEN[job])
    return replace(world.first, store=store), due[0]


def work_like_tasks(context: Context, first: Work) -> list[Work]:
    """Do work and all that it wakes, as `tasks.week` does. Returns what was done."""
    queue, done = deque([first]), list[Work]()
    while queue:
        assert len(done) < 20, "a step wakes itself for ever"
        done.append(work := queue.popleft())
        try:
            result = do_work(context, work, seconds=600)
        except KontribError:
            continue
        if result.again:
            queue += follow_up(context, work)
    return done


@pytest.mark.parametrize("job", FORGOTTEN)
def test_a_step_without_effect_is_done_once_and_then_waits(world: World, job: Job) -> None:
    context, work = at(world, job)

    assert work_like_tasks(context, work) == [work]

    week = world.distribution()
    assert (week.attempts, week.stopped) == (1, False)
    assert week.reason is not None
    assert week.reason.startswith(f"NoProgress: {job.value} of {WEEK.label} reported '")
    assert week.next_attempt_at is not None
    assert week.next_attempt_at > world.clock.now()
    assert find_work(context) == []


@pytest.mark.parametrize("job", FORGOTTEN)
def test_a_step_that_never_has_an_effect_stops_the_week_and_a_retry_pays_once(
    world: World, job: Job
) -> None:
    context, work = at(world, job)
    steps = 0
    for _ in range(3 * ATTEMPTS_MAX):  # a sweep every six hours
        for due in find_work(context, only=WEEK):
            steps += work_like_tasks(context, due).count(work)
        world.clock.sleep(timedelta(hours=7).total_seconds())
    week = world.distribution()
    assert week.stopped
    assert week.reason is not None
    assert week.reason.startswith("NoProgress: ")
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code is ExitCode.FAILED
    assert ATTEMPTS_MAX <= steps <= 3 * ATTEMPTS_MAX

    retry_week(world.first.store, WEEK)
    for each in find_work(world.first, only=WEEK):
        world.do(world.first, each)
    world.run()
    closed = world.distribution()
    assert closed.stage is Stage.COMPLETED
    rewards = world.first.store.progress(closed.plan_id or "").rewards
    paid = rewards[Status.COMPLETED]
    balances = world.balances([f"user {number}" for number in range(6)])
    assert (paid.count, sum(balances.values())) == (6, paid.amount)


def test_reading_transactions_without_effect_is_done_once_and_then_waits(world: World) -> None:
    """This job belongs to completed weeks, in which a single was paid later."""
    at(world, Job.CLOSE)
    world.run()
    plan_id = world.distribution().plan_id or ""
    state = store_of(world.first).state
    batch = next(s for s in state.payouts_of(plan_id).values() if s.payout.index == 1)
    state.put_payout(batch, signature=None, reason="paid, signature not readable yet")
    (work,) = find_work(world.first)
    store: Any = Forgetful(world.first.store, {"settle": None})
    context = replace(world.first, store=store)

    assert work_like_tasks(context, work) == [work]

    reason = world.distribution().reason or ""
    assert reason.startswith("NoProgress: read_back of 2024-W50")
    assert find_work(context) == []

    world.clock.sleep(timedelta(days=1).total_seconds())
    world.run()
    assert world.distribution().reason is None
    assert find_work(world.first) == []


def test_inline_work_ends_with_the_reason(world: World) -> None:
    context, work = at(world, Job.PLAN)

    with pytest.raises(NoProgress, match="the same work is still due") as failed:
        do_work(context, work, seconds=0)

    assert failed.value.exit_code is ExitCode.FAILED


def test_a_step_whose_time_ran_out_is_no_step_without_effect(world: World) -> None:
    context, work = at(world, Job.PAY)

    done = do_work(context, work, seconds=0)

    assert done.again  # another worker goes on at once
    assert world.distribution().reason is None
    assert find_work(context) == [work, Work(Job.SINGLES, WEEK)]


def test_a_range_that_another_worker_holds_is_no_step_without_effect(world: World) -> None:
    _, work = at(world, Job.PAY)
    now, plan_id = world.clock.now(), world.distribution().plan_id or ""
    world.first.store.claim(
        plan_id, range(work.first, work.last), 9, now=now, until=now + timedelta(hours=1)
    )

    assert not do_work(world.first, work, seconds=600).again
    assert world.distribution().reason is None
