"""A person lets weeks continue: an approval, the end of a pause, a retry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.lifecycle import Stage
from worker.services.context import Paused
from worker.services.plan.approval import ApprovalMissing
from worker.services.plan.plan_week import plan_again, plan_week
from worker.services.plan.planned_week import NotPlanned
from worker.services.week.outcome import verdict
from worker.services.week.unblock import (
    AnotherPlan,
    approve_week,
    forget_waits,
    resume_signing,
    retry_week,
)


@pytest.fixture
def world() -> World:
    """A week of four contributors that may be paid."""
    world = World()
    world.populate(4)
    world.genesis()
    return world


def test_an_approved_week_is_anchored_at_once(world: World) -> None:
    store = world.first.store
    store_of(world.first).set_rules(require_approval=True)
    with pytest.raises(NotPlanned):
        approve_week(store, WEEK, bytes(32))
    root = plan_week(world.first, WEEK).root
    with pytest.raises(ApprovalMissing, match=f"kontrib approve 2024-W50 --root {root.hex()}"):
        world.run()
    with pytest.raises(AnotherPlan, match=f"--root {root.hex()}"):
        approve_week(store, WEEK, None)
    assert approve_week(store, WEEK, root)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert not approve_week(store, WEEK, None)


def test_a_run_looks_again_whatever_the_operators_clock_says(world: World) -> None:
    """A next try that lies ahead for the workers may lie behind for a clock that is fast."""
    plan_week(world.first, WEEK)
    soon = world.clock.now() + timedelta(minutes=2)
    world.first.store.record_failure(
        WEEK, reason="no funds", next_attempt_at=soon, attempts=0, stopped=False
    )
    forget_waits(world.first.store, WEEK)
    assert world.distribution().next_attempt_at is None


def test_only_the_approved_plan_is_anchored_and_another_one_waits_anew(world: World) -> None:
    store = world.first.store
    store_of(world.first).set_rules(require_approval=True)
    looked_at = plan_week(world.first, WEEK).root
    world.contribute("user 1", 70)
    other = plan_again(world.first, WEEK).root  # another person, in the meantime
    with pytest.raises(AnotherPlan, match=other.hex()):
        approve_week(store, WEEK, looked_at)
    with pytest.raises(ApprovalMissing, match=other.hex()):
        world.run()
    assert approve_week(store, WEEK, other)
    third = plan_again(world.first, WEEK)
    assert third.how == "made"
    with pytest.raises(ApprovalMissing):
        world.run()
    assert store.distribution(WEEK) is not None
    assert world.distribution().stage is Stage.PLANNED


def test_after_a_pause_everything_that_waited_is_due(world: World) -> None:
    store = world.first.store
    plan_week(world.first, WEEK)
    store.pause("the treasury moves")
    with pytest.raises(Paused):
        world.run()
    assert verdict(store, WEEK, world.clock.now()) is not None
    resume_signing(store)
    assert store.paused() is None
    assert verdict(store, WEEK, world.clock.now()) is None


def test_a_retry_of_a_closed_week_makes_nothing_due(world: World) -> None:
    plan_week(world.first, WEEK)
    world.run()
    assert retry_week(world.first.store, WEEK) == 0
