"""A damaged stored header stops a week, and a rebuild restores it from chain and file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.lifecycle import Stage
from worker.core.plan.commitment import MalformedPlan
from worker.services.context import Deadline
from worker.services.payout.rebuild import rebuild_week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.anchor import anchor_week
from worker.services.plan.planned_week import planned_week
from worker.services.week.due import find_work
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
