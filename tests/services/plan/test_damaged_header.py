"""A damaged stored header stops a week, and a rebuild restores it from chain and file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import ATTEMPTS_MAX
from worker.core.plan.commitment import MalformedPlan
from worker.services.context import Deadline
from worker.services.payout.rebuild import rebuild_week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.anchor import PlanIsStale, anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.week.due import find_work
from worker.services.week.outcome import verdict
from worker.services.week.run import do_work
from worker.services.week.status import overview
from worker.services.week.story import Job


def damage(world: World) -> None:
    weeks = store_of(world.first).state.weeks
    stored = weeks[WEEK]
    weeks[WEEK] = replace(stored, distribution=replace(stored.distribution, header=b"{}"))


@pytest.fixture(params=[Job.ACCOUNTS, Job.PAY, None], ids=["anchored", "prepared", "completed"])
def damaged(request: pytest.FixtureRequest, world: World) -> World:
    """A week whose header was damaged before the given job, or after the last job."""
    world.populate(7)
    world.genesis()
    while (work := find_work(world.first)) and work[0].job is not request.param:
        world.do(world.first, work[0])
    damage(world)
    with pytest.raises(MalformedPlan):
        planned_week(world.first.store, WEEK)
    return world


def test_a_rebuild_restores_the_week(damaged: World) -> None:
    rebuild_week(damaged.first, WEEK, Deadline(damaged.clock, 600))
    damaged.run()
    assert damaged.distribution().stage is Stage.COMPLETED
    assert reconcile(damaged.first, damaged.distribution()).is_exact


def test_an_anchor_that_is_final_is_found_without_the_header(damaged: World) -> None:
    found = anchor_week(damaged.first, WEEK, Deadline(damaged.clock, 600))
    assert (found.root, found.finalized) == (damaged.distribution().root, True)


def test_the_anchored_plan_can_be_adopted_after_the_week_was_forgotten(damaged: World) -> None:
    damaged.first.store.reset_week(WEEK, damaged.clock.now())
    seal = adopt_anchored_plan(damaged.first, WEEK, WEEK)
    assert planned_week(damaged.first.store, WEEK).root == seal.root


def test_the_damage_is_recorded_counted_and_shown_and_other_weeks_go_on(world: World) -> None:
    names = world.populate(4)
    world.genesis()
    while (work := find_work(world.first)) and work[0].job is not Job.PAY:
        world.do(world.first, work[0])
    damage(world)
    for name in names:
        world.contribute(name, 50, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    shown = {each.week: each for each in overview(world.first.store, world.clock.now())}
    assert "kontrib rebuild" in (shown[WEEK].reason or "")

    for _ in range(3 * ATTEMPTS_MAX):
        for each in find_work(world.first):
            with suppress(KontribError):
                do_work(world.first, each, seconds=600)
        world.clock.sleep(7 * 3600)

    damaged = world.distribution()
    assert (damaged.stopped, damaged.attempts) == (True, ATTEMPTS_MAX)
    assert (damaged.reason or "").startswith("MalformedPlan")
    assert verdict(world.first.store, WEEK, world.clock.now()) is not None
    assert world.distribution(WEEK.next()).stage is Stage.COMPLETED
    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


@pytest.mark.parametrize("job", [Job.ACCOUNTS, Job.PAY, None])
def test_a_damaged_week_at_any_stage_has_one_job(world: World, job: Job | None) -> None:
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    while (work := find_work(world.first)) and work[0].job is not job:
        world.do(world.first, work[0])
    damage(world)
    (found,) = find_work(world.first)
    with pytest.raises(MalformedPlan):
        do_work(world.first, found, seconds=600)
    assert world.distribution().attempts == 1


def test_a_plan_that_is_not_anchored_is_made_again(world: World) -> None:
    names = world.populate(4)
    world.genesis()
    plan_week(world.first, WEEK)
    damage(world)
    with pytest.raises(PlanIsStale):
        world.run()
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert all(world.balances(names).values())
