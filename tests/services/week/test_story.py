"""The story of a week: each stage names the jobs that lead to the next one."""

from __future__ import annotations

from tests.fakes.world import WEEK, World
from worker.core.lifecycle import Stage
from worker.services.week.due import find_work
from worker.services.week.story import Job, Work, story


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
