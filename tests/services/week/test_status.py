"""The board shows the state of a week, from the database alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of
from worker.core.errors import ExitCode, NotReady
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import Postponement
from worker.services.plan.plan_week import plan_week
from worker.services.week.outcome import verdict
from worker.services.week.status import board, obstacles, overview
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN


def completed(world: World, users: int = 7) -> World:
    world.populate(users)
    world.genesis()
    world.run()
    return world


def test_a_week_nobody_touched_is_due(world: World) -> None:
    found = board(world.first.store, WEEK)
    assert (found.stage, found.status, found.contributors) == (Stage.DUE, Status.PENDING, 0)


def test_a_planned_week_shows_what_it_will_pay(world: World) -> None:
    world.populate(7)
    world.genesis()
    plan_week(world.first, WEEK)
    found = board(world.first.store, WEEK)
    assert found.stage is Stage.PLANNED
    assert (found.contributors, found.planned, found.batches) == (7, POOL, 3)
    assert (found.unpaid.count, found.unpaid.amount) == (7, POOL)
    assert found.paid.count == 0


def test_a_completed_week_shows_what_it_paid(world: World) -> None:
    found = board(completed(world).first.store, WEEK)
    assert (found.paid.count, found.paid.amount) == (7, POOL)
    assert found.unpaid.count == found.held.count == found.failed.count == 0
    assert found.payouts[PayoutStatus.PAID] == 3
    assert found.signature is not None
    assert found.notes["reconciliation"]["mismatch"] == 0


def test_every_base_unit_is_in_exactly_one_place(world: World) -> None:
    world.add_user("nobody", wallet=None)
    world.contribute("nobody", 100)
    found = board(completed(world).first.store, WEEK)
    assert found.held.count == 1
    parts = (found.paid, found.unpaid, found.held, found.failed)
    assert sum(part.amount for part in parts) == found.planned == POOL
    assert sum(part.count for part in parts) == found.contributors == 8


def test_the_overview_has_every_week_since_the_first_one(world: World) -> None:
    completed(world)
    world.clock.sleep(14 * 24 * 3600)
    boards = overview(world.first.store, world.clock.now())
    assert [b.week for b in boards] == [WEEK, WEEK.next(), WEEK.next().next()]
    assert [b.stage for b in boards] == [Stage.COMPLETED, Stage.DUE, Stage.DUE]


def test_the_overview_is_empty_before_genesis(world: World) -> None:
    assert overview(world.first.store, world.clock.now()) == []


def test_the_board_needs_no_chain(world: World) -> None:
    completed(world)
    chain_of(world.first).endpoints[0].down = True
    assert board(world.first.store, WEEK).paid.count == 7


def test_a_completed_week_is_done(world: World) -> None:
    completed(world)
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.DONE
    assert "7 of 7 rewards paid, 10,000 KONTRIB" in found.sentence


def test_a_week_on_its_way_has_no_verdict(world: World) -> None:
    world.populate(3)
    world.genesis()
    assert verdict(world.first.store, WEEK, world.clock.now()) is None
    plan_week(world.first, WEEK)
    assert verdict(world.first.store, WEEK, world.clock.now()) is None


def test_a_week_that_waits_says_for_what_and_until_when(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    world.first.store.pause("the treasury moves")
    with pytest.raises(NotReady):
        world.do(world.first, Work(Job.ANCHOR, WEEK))
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.NOT_READY
    assert "the treasury moves" in found.sentence
    assert "next try" in found.sentence


def test_a_week_waits_for_the_one_before_it(world: World) -> None:
    world.genesis()
    world.clock.sleep(7 * 24 * 3600)
    world.first.store.pause("the treasury moves")
    plan_week(world.first, WEEK)
    with pytest.raises(NotReady):
        world.do(world.first, Work(Job.ANCHOR, WEEK))
    found = verdict(world.first.store, WEEK.next(), world.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.NOT_READY
    assert found.sentence.startswith("2024-W51 waits for 2024-W50 waits")


def test_a_stopped_week_has_failed(world: World) -> None:
    now = world.clock.now()
    world.first.store.ensure_distribution(WEEK, now)
    world.first.store.record_failure(
        WEEK, reason="the chain says no", next_attempt_at=now, attempts=12, stopped=True
    )
    found = verdict(world.first.store, WEEK, now)
    assert found is not None
    assert found.exit_code == ExitCode.FAILED
    assert "the chain says no" in found.sentence


def test_payouts_that_are_all_tried_later_make_a_week_wait(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    for job in (Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    payout = world.first.store.payouts_after(world.distribution().plan_id or "", "", 5)[0]
    later = world.clock.now() + timedelta(minutes=5)
    world.first.store.postpone([Postponement(payout, later, "node is behind")])
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.NOT_READY
    assert "node is behind" in found.sentence
    assert [o.payout_id for o in obstacles(world.first.store, WEEK, 5)] == [payout.id]
