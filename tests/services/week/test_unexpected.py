"""A failure that is not ours: recorded by its type, counted, stopped visibly, and tidied up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pymongo.errors import DocumentTooLarge

from tests.fakes.world import WEEK, World, store_of
from tests.simulation.faults.faults import Crashed, Process
from worker.core.errors import KontribError, Unreachable
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import ATTEMPTS_MAX
from worker.services.context import Deadline, OutOfTime, Stopping
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import plan_again, plan_week
from worker.services.plan.publish import (
    DRAFT_LIFETIME,
    KILLED_MAX,
    PLANNING_MAX,
    PlannerKilled,
)
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

SECRET = "mongodb://wiki:sesame@db"


@pytest.fixture
def world() -> World:
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    return world


def fail(error: Exception) -> Callable[..., None]:
    def failing(*args: object, **kwargs: object) -> None:
        raise error

    return failing


def break_rewards(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store_of(world.first), "write_payouts", fail(DocumentTooLarge(SECRET)))


def break_rows(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store_of(world.first), "rows", fail(SoftTimeLimitExceeded(SECRET)))


def break_archive(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world.archive, "publish", fail(DocumentTooLarge(SECRET)))


BREAKS = [break_rewards, break_rows, break_archive]


@pytest.mark.parametrize("breaks", BREAKS)
def test_planning_that_always_fails_stops_visibly_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, breaks: Callable[..., None]
) -> None:
    breaks(world, monkeypatch)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        with pytest.raises((DocumentTooLarge, SoftTimeLimitExceeded)):
            do_work(world.first, Work(Job.PLAN, WEEK), seconds=600)
        found = world.distribution()
        assert (found.attempts, found.stopped) == (attempt, attempt == ATTEMPTS_MAX)
        assert found.next_attempt_at is not None
        world.clock.sleep((found.next_attempt_at - world.clock.now()).total_seconds())
    kind = "SoftTimeLimitExceeded" if breaks is break_rows else "DocumentTooLarge"
    assert f"Unexpected: {kind} during plan" in (found.reason or "")
    assert "sesame" not in (found.reason or "")
    assert not any(store_of(world.first).state.rewards.values())
    assert not any(store_of(world.first).state.payouts.values())
    world.clock.sleep(24 * 3600)
    assert find_work(world.first) == [], "it waits for a person"

    monkeypatch.undo()
    world.first.store.requeue(WEEK)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_a_failure_of_the_record_itself_does_not_hide_the_first_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_rewards(world, monkeypatch)
    for method in ("record_failure", "discard_plan"):
        monkeypatch.setattr(store_of(world.first), method, fail(Unreachable("no answer")))
    with pytest.raises(DocumentTooLarge):
        do_work(world.first, Work(Job.PLAN, WEEK), seconds=600)


@pytest.mark.parametrize("job", [Job.ANCHOR, Job.ACCOUNTS, Job.PAY, Job.CLOSE])
def test_every_job_records_an_unexpected_failure(
    world: World, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    while (work := find_work(world.first)) and work[0].job is not job:
        world.do(world.first, work[0])
    monkeypatch.setattr(store_of(world.first), "batch_roots", fail(DocumentTooLarge(SECRET)))
    with pytest.raises(DocumentTooLarge):
        do_work(world.first, work[0], seconds=600)
    found = world.distribution()
    assert (found.attempts, found.stopped) == (1, False)
    assert f"DocumentTooLarge during {job.value}" in (found.reason or "")


def test_an_adopted_plan_that_can_not_be_written_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_week(world.first, WEEK)
    anchor_week(world.first, WEEK, Deadline(world.clock, 600))
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    state = store_of(rival).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    monkeypatch.setattr(store_of(rival), "write_payouts", fail(DocumentTooLarge(SECRET)))
    with pytest.raises(DocumentTooLarge):
        plan_week(rival, WEEK)
    assert not any(store_of(rival).state.rewards.values())


def test_a_failed_second_plan_leaves_the_installed_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_week(world.first, WEEK)
    kept = world.distribution().plan_id or ""
    rewards = store_of(world.first).state.rewards_of(kept)
    monkeypatch.setattr(world.archive, "publish", fail(DocumentTooLarge(SECRET)))
    with pytest.raises(DocumentTooLarge):
        plan_again(world.first, WEEK)
    assert store_of(world.first).state.rewards_of(kept) == rewards


# --- deadlines -----------------------------------------------------------------------------------


def test_planning_keeps_to_its_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(world.first)
    write = store.write_rewards

    def slowly(*args: object) -> None:
        world.clock.sleep(700)
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write_rewards", slowly)
    with pytest.raises(OutOfTime, match="TASK_SOFT_LIMIT_SECONDS"):
        do_work(world.first, Work(Job.PLAN, WEEK), seconds=600, limits_planning=True)
    found = world.distribution()
    assert (found.plan_id, found.attempts) == (None, 1)
    assert not any(store.state.rewards.values())
    do_work(world.first, Work(Job.PLAN, WEEK), seconds=5)  # as a person's command does
    assert world.distribution().stage is Stage.PLANNED


def test_a_worker_that_is_stopped_gives_planning_up_and_counts_no_failure(world: World) -> None:
    with pytest.raises(Stopping):
        do_work(
            world.first,
            Work(Job.PLAN, WEEK),
            seconds=600,
            stopping=lambda: True,
            limits_planning=True,
        )
    found = world.distribution()
    assert (found.attempts, found.stopped) == (0, False)
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_a_failure_before_anything_is_known_of_the_week_has_a_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ledger.mint_problem = "frozen"
    with pytest.raises(KontribError):
        do_work(world.first, Work(Job.PLAN, WEEK), seconds=600)
    assert "frozen" in (world.distribution().reason or "")


def test_the_drafts_of_killed_planners_do_not_pile_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = store_of(world.first).state
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(world.archive, "publish", fail(Crashed()))
            patch.setattr(store_of(world.first), "discard_plan", fail(Crashed()))
            with pytest.raises(Crashed):
                do_work(world.first, Work(Job.PLAN, WEEK), seconds=600)
    assert len(state.rewards) == 3
    world.clock.sleep(DRAFT_LIFETIME.total_seconds() + 1)
    plan_week(world.first, WEEK)
    assert list(state.rewards) == [world.distribution().plan_id]


def test_a_time_limit_ends_no_other_job(world: World) -> None:
    while (work := find_work(world.first)) and work[0].job is not Job.CLOSE:
        world.do(world.first, work[0])
    do_work(world.first, work[0], seconds=0, limits_planning=True)
    assert world.distribution().stage is Stage.COMPLETED


def killed(*args: object, **kwargs: object) -> None:
    """The process is gone: it writes nothing any more."""
    raise Crashed


@pytest.mark.parametrize("method", ["week_points", "write_rewards", "write_payouts"])
def test_planners_that_are_killed_leave_a_reason_and_stop_the_week_at_last(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    kills = 0
    for _ in range(10 * ATTEMPTS_MAX):
        if world.distribution().stopped if world.first.store.distribution(WEEK) else False:
            break
        process = Process(
            world.first, before=lambda call: killed() if call.method == method else None
        )
        try:
            do_work(process.context, Work(Job.PLAN, WEEK), seconds=600, limits_planning=True)
        except Crashed:
            kills += 1
        except PlannerKilled:
            assert kills % KILLED_MAX == 0
        world.clock.sleep(7 * 3600)
    found = world.distribution()
    assert found.stopped
    assert "3 workers were killed while they planned 2024-W50" in (found.reason or "")
    assert kills == KILLED_MAX * ATTEMPTS_MAX
    assert len(store_of(world.first).state.rewards) <= 1, "drafts do not pile up"
    world.first.store.requeue(WEEK)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_planners_that_live_are_not_counted_as_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, running = world.archive.publish, []

    def meanwhile(*args: object) -> None:
        running.append(args)
        world.clock.sleep(300)  # the sweep finds the week not planned yet
        if len(running) <= KILLED_MAX + 2:
            do_work(world.first, Work(Job.PLAN, WEEK), seconds=7200, limits_planning=True)
        publish(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(world.archive, "publish", meanwhile)
    do_work(world.first, Work(Job.PLAN, WEEK), seconds=7200, limits_planning=True)
    assert len(running) > KILLED_MAX
    found = world.distribution()
    assert (found.stage, found.attempts, found.reason) == (Stage.PLANNED, 0, None)


@pytest.mark.parametrize("hours", [2, 4])
def test_the_draft_of_a_slow_planner_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    publish = world.archive.publish

    def slowly(*args: object) -> None:
        monkeypatch.undo()
        world.clock.sleep(hours * 3600)
        with pytest.raises(OutOfTime):  # a task is given less time than a person's command
            do_work(world.first, Work(Job.PLAN, WEEK), seconds=0, limits_planning=True)
        publish(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(world.archive, "publish", slowly)
    assert plan_week(world.first, WEEK).how == "made"
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_a_draft_that_another_planner_may_remove_is_not_installed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = world.archive.publish

    def slowly(*args: object) -> None:
        publish(*args)  # type: ignore[arg-type]
        world.clock.sleep(PLANNING_MAX.total_seconds() + 1)

    monkeypatch.setattr(world.archive, "publish", slowly)
    with pytest.raises(OutOfTime):
        plan_week(world.first, WEEK)
    assert world.distribution().plan_id is None
    assert not any(store_of(world.first).state.rewards.values())


def test_a_try_that_ended_with_an_error_is_no_kill(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_archive(world, patch)
        for _ in range(KILLED_MAX + 2):
            with pytest.raises(DocumentTooLarge):
                plan_week(world.first, WEEK)
    assert plan_week(world.first, WEEK).how == "made"
