"""A wrong clock plans nothing: no contribution is counted twice, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.moods import SkewedClock
from worker.adapters.solana.errors import BlockTimeUnknown
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import AHEAD_MAX, is_waiting
from worker.services.context import Context, Deadline, Limits
from worker.services.plan.anchor import PlanIsStale, anchor_week
from worker.services.plan.anchored import previous
from worker.services.plan.anchored.previous import Previous
from worker.services.plan.cluster.clock import (
    ClockDiffers,
    CutoffBeforeLast,
    WeekNotOverInCluster,
    check_clock,
)
from worker.services.plan.draft import make_draft
from worker.services.plan.plan_week import _install, dry_run, plan_week
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

NEXT = WEEK.next()
DAYS = timedelta(days=6).total_seconds()


@pytest.fixture
def world() -> World:
    """Two users whose week is over, an hour after its end."""
    world = World(batch_size=2)
    world.populate(2)
    world.genesis()
    return world


def with_clock(context: Context, seconds: float) -> Context:
    """The same operator on a machine whose clock is ahead by some seconds."""
    clock = context.clock
    assert not isinstance(clock, SkewedClock)
    return replace(context, clock=SkewedClock(clock, seconds))  # type: ignore[arg-type]


def header_points(world: World, *weeks: object) -> int:
    """The points that the plans of these weeks credit together."""
    planned = [world.distribution(week).planned for week in weeks]  # type: ignore[arg-type]
    return sum(plan.header.total_points for plan in planned if plan is not None)


def anchored(context: Context, week: object = WEEK) -> None:
    anchor_week(context, week, Deadline(context.clock, 600))  # type: ignore[arg-type]


def a_week_later(world: World) -> None:
    world.clock.sleep(timedelta(days=7).total_seconds())


# --- a slow clock after a fast one ---------------------------------------------------------------


def test_a_cutoff_never_lies_before_the_last_one(world: World) -> None:
    """A late contribution before two cut-offs in the wrong order would count in both weeks."""
    a_week_later(world)
    late = world.clock.now() - timedelta(seconds=120)
    world.record("user 0", 500, created_at=WEEK.start, recorded_at=late)
    world.contribute("user 1", 100, week=NEXT)
    fast, slow = with_clock(world.first, 250), with_clock(world.first, -250)
    plan_week(fast, WEEK)
    anchored(fast)

    with pytest.raises(CutoffBeforeLast, match="2024-W51 waits until 2024-12-23"):
        do_work(slow, Work(Job.PLAN, NEXT), seconds=600)

    waiting = world.distribution(NEXT)
    assert (waiting.plan_id, waiting.attempts, waiting.stopped) == (None, 0, False)
    assert (waiting.reason or "").startswith("CutoffBeforeLast: ")
    with pytest.raises(CutoffBeforeLast):
        dry_run(slow, NEXT)
    world.clock.sleep(600)
    plan_week(slow, NEXT)
    assert header_points(world, WEEK, NEXT) == 201 + 500 + 100


def test_a_cutoff_may_equal_the_last_one(world: World) -> None:
    a_week_later(world)
    plan_week(world.first, WEEK)
    anchored(world.first)
    last = world.distribution().planned
    assert last is not None
    behind = last.header.cutoff - 1 - world.clock.now().timestamp()

    assert plan_week(with_clock(world.first, behind), NEXT).header.cutoff == last.header.cutoff


def test_a_plan_is_made_only_after_its_cutoff_has_passed(world: World) -> None:
    """A contribution of the second before the cut-off may still be on its way into the database."""
    world.clock.sleep(0.3)
    read_at = []
    context = world.first
    week_points = store_of(context).week_points

    def seen(*args: object) -> object:
        read_at.append(context.clock.now().timestamp())
        return week_points(*args)  # type: ignore[arg-type]

    store_of(context).week_points = seen  # type: ignore[method-assign, assignment]
    cutoff = plan_week(context, WEEK).header.cutoff

    assert cutoff <= read_at[0] < cutoff + 1


# --- a clock that differs from the cluster's -----------------------------------------------------


def test_a_clock_that_is_days_fast_closes_no_running_week(world: World) -> None:
    plan_week(world.first, WEEK)
    anchored(world.first)
    wednesday = NEXT.start + timedelta(days=2) - world.clock.now()
    world.clock.sleep(wednesday.total_seconds())
    world.record("user 0", 200, created_at=world.clock.now(), recorded_at=world.clock.now())
    fast = with_clock(world.first, DAYS)

    with pytest.raises(ClockDiffers, match="CLOCK_DIFFERENCE_SECONDS_MAX"):
        do_work(fast, Work(Job.PLAN, NEXT), seconds=600)

    found = world.distribution(NEXT)
    assert (found.stage, found.plan_id) == (Stage.DUE, None)
    assert "518,4" in (found.reason or "")
    world.clock.sleep(timedelta(days=1).total_seconds())
    now = world.clock.now()
    world.record("user 1", 600, created_at=now, recorded_at=now)
    world.clock.sleep((NEXT.end + timedelta(hours=1) - now).total_seconds())
    assert Work(Job.PLAN, NEXT) in find_work(world.first), "the fast clock's next try is not kept"
    assert plan_week(world.first, NEXT).header.total_points == 800


@pytest.mark.parametrize(("seconds", "refused"), [(280, False), (320, True), (-330, True)])
def test_the_tolerance_holds_in_both_directions(
    world: World, seconds: float, refused: bool
) -> None:
    context = with_clock(world.first, seconds)
    if refused:
        with pytest.raises(ClockDiffers):
            plan_week(context, WEEK)
        with pytest.raises(ClockDiffers):
            dry_run(context, WEEK)
    else:
        assert plan_week(context, WEEK).how == "made"


def test_a_clock_that_is_fast_within_its_limit_closes_no_running_week(world: World) -> None:
    a_week_later(world)
    running = WEEK.next().next()
    before_end = (running.end - world.clock.now()).total_seconds() - 250
    world.clock.sleep(before_end)
    fast = with_clock(world.first, 270)
    plan_week(world.first, WEEK)
    anchored(world.first)
    plan_week(world.first, WEEK.next())
    anchored(world.first, WEEK.next())
    with pytest.raises(WeekNotOverInCluster, match="2024-W52 is not over by the cluster's time"):
        plan_week(fast, running, at_once=True)
    world.clock.sleep(320)
    assert plan_week(fast, running, at_once=True).how == "made"


def test_the_tolerance_is_a_setting(world: World) -> None:
    limits = Limits(clock_difference_max=timedelta(seconds=30))
    with pytest.raises(ClockDiffers, match="Above 30 s"):
        check_clock(replace(with_clock(world.first, 60), limits=limits))


def no_block_times(world: World) -> None:
    chain_of(world.first).knows_block_times = False


def most_endpoints_silent(world: World) -> None:
    chain_of(world.first).endpoints = [FakeEndpoint(), FakeEndpoint(down=True)]


@pytest.mark.parametrize("happens", [no_block_times, most_endpoints_silent])
def test_nothing_is_planned_or_anchored_while_the_clusters_time_is_unknown(
    world: World, happens: Callable[[World], None]
) -> None:
    happens(world)
    chain = chain_of(world.first)
    with pytest.raises(BlockTimeUnknown, match="No week is planned"):
        check_clock(world.first)
    chain.endpoints = [FakeEndpoint()]
    chain.knows_block_times = False
    with pytest.raises(BlockTimeUnknown):
        do_work(world.first, Work(Job.PLAN, WEEK), seconds=600)
    assert "BlockTimeUnknown" in (world.distribution().reason or "")
    chain.knows_block_times = True
    plan_week(world.first, WEEK)
    chain.knows_block_times = False
    with pytest.raises(BlockTimeUnknown):
        anchored(world.first)
    assert world.distribution().stage is Stage.PLANNED


def test_one_endpoint_with_old_blocks_of_three_changes_nothing(world: World) -> None:
    chain_of(world.first).endpoints = [FakeEndpoint(lag_slots=500), FakeEndpoint(), FakeEndpoint()]
    assert check_clock(world.first).difference < timedelta(seconds=20)


# --- plans that a wrong clock has left -----------------------------------------------------------


def installed(world: World, week: object, cutoff: int) -> None:
    """Install a plan with any cut-off, as a version without these checks could."""
    context = world.first
    before = previous.previous_plan(context, week, WEEK)  # type: ignore[arg-type]
    context.store.ensure_distribution(week, context.clock.now())  # type: ignore[arg-type]
    _install(context, make_draft(context, week, cutoff, before))  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [660, 3600])
def test_a_plan_from_the_future_is_made_again_before_its_anchor(world: World, seconds: int) -> None:
    """Ten minutes are allowed: twice the difference of clocks."""
    installed(world, WEEK, int(world.clock.now().timestamp()) + seconds)
    with pytest.raises(PlanIsStale, match="fits: its cut-off lies in the future: a clock was fast"):
        anchored(world.first)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert header_points(world, WEEK) == 201


def test_a_plan_that_repeats_points_is_made_again_before_its_anchor(world: World) -> None:
    a_week_later(world)
    plan_week(world.first, WEEK)
    anchored(world.first)
    last = world.distribution().planned
    assert last is not None
    installed(world, NEXT, last.header.cutoff - 1)
    with pytest.raises(
        PlanIsStale, match="fits: its cut-off lies before the one of the week before"
    ):
        anchored(world.first, NEXT)
    assert world.distribution(NEXT).plan_id is None


def test_a_plan_that_follows_another_plan_is_made_again_before_its_anchor(world: World) -> None:
    a_week_later(world)
    plan_week(world.first, WEEK)
    anchored(world.first)
    cutoff = int(world.clock.now().timestamp())
    context = world.first
    context.store.ensure_distribution(NEXT, context.clock.now())
    _install(context, make_draft(context, NEXT, cutoff, Previous(WEEK, b"r" * 32, cutoff - 60)))
    with pytest.raises(PlanIsStale, match="fits: it does not follow the anchored week before it"):
        anchored(context, NEXT)
    assert world.distribution(NEXT).plan_id is None


def test_a_time_far_ahead_counts_as_due(world: World) -> None:
    now = world.clock.now()
    assert is_waiting(now + AHEAD_MAX, now)
    assert not is_waiting(now + AHEAD_MAX + timedelta(seconds=1), now)
    assert not is_waiting(now, now)
    assert not is_waiting(None, now)


class ShiftedClock(SkewedClock):
    """The clock of the local stack, which runs past weeks on a machine with the right time."""

    def unshifted(self) -> datetime:
        return self.now() - timedelta(days=300)


@pytest.mark.parametrize("seconds", [0.0, timedelta(days=300).total_seconds()])
def test_a_shifted_clock_agrees_with_a_chain_of_either_time(world: World, seconds: float) -> None:
    clock = world.first.clock
    assert not isinstance(clock, SkewedClock)
    shifted = replace(world.first, clock=ShiftedClock(clock, seconds))  # type: ignore[arg-type]
    assert abs(check_clock(shifted).difference) < timedelta(minutes=1)


def test_a_shifted_clock_that_is_wrong_is_refused(world: World) -> None:
    shifted = replace(world.first, clock=ShiftedClock(world.first.clock, 86_400))  # type: ignore[arg-type]
    with pytest.raises(ClockDiffers):
        check_clock(shifted)
