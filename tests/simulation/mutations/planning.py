"""Safeguards of planning: the order of weeks, contributions, reasons and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from tests.fakes.world import WEEK, World, restarted, store_of
from tests.simulation.faults.moods import SkewedClock
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do, rival_of
from tests.simulation.mutations.happen import (
    NEXT,
    attempt,
    end_next_week,
    hide_receipts,
)
from tests.simulation.mutations.safeguard import Safeguard, Scenario, both, edit, promise
from worker.core.payout.records import UserPoints, WeekPoints
from worker.core.plan import counted_contributions
from worker.core.plan.fates import Fates
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan import anchor, plan_week, roster
from worker.services.plan.anchored import previous
from worker.services.plan.cluster import clock
from worker.services.plan.genesis import first_week, make_genesis
from worker.services.week import due, run, story
from worker.services.week.story import Job, Work

A_DAY = timedelta(days=1)


def has_plan(world: World, week: Week = WEEK) -> bool:
    distribution = world.first.store.distribution(week)
    return distribution is not None and distribution.plan_id is not None


def points_of(world: World, week: Week = WEEK) -> int:
    planned = world.distribution(week).planned
    return planned.header.total_points if planned else 0


def plan(world: World, week: Week) -> None:
    attempt(lambda: plan_week.plan_week(world.first, week, at_once=True))


# --- weeks and their order -----------------------------------------------------------------------


def the_next_week_is_planned_first(world: World) -> None:
    end_next_week(world, "user 0")
    plan(world, NEXT)
    promise(not has_plan(world, NEXT), "planned before the week before it")


def a_running_week_is_planned(world: World) -> None:
    sweep_until_closed(world)
    world.contribute("user 0", 50, week=NEXT)
    plan(world, NEXT)
    promise(not has_plan(world, NEXT), "planned before its end")


def a_week_before_the_first_one_is_planned(world: World) -> None:
    plan(world, WEEK.previous())
    known = world.first.store.distribution(WEEK.previous())
    promise(known is None, "begun before the first week")


def nobody_answers_about_the_genesis(world: World) -> None:
    hide_receipts(world.first, lambda each: each.startswith("genesis"))
    do(restarted(world.first), Job.PLAN)
    promise(not has_plan(world), "planned with an unknown genesis")


def a_genesis_with_another_first_week_follows(world: World) -> None:
    attempt(lambda: make_genesis(world.first, NEXT))
    promise(world.first.store.first_week() == WEEK, "another first week")


def nobody_answers_about_an_anchor(world: World) -> None:
    rival = rival_of(world)
    world.contribute("user 0", 100)
    do(rival, Job.PLAN, Job.ANCHOR)
    world.contribute("user 1", 100)
    hide_receipts(world.first, lambda each: each.endswith("/anchor"))
    do(world.first, Job.PLAN)
    anchored = world.distribution(context=rival).root
    promise(world.distribution().root in (None, anchored), "planned anew beside an anchor")


def with_clock(world: World, seconds: float) -> Context:
    """The same operator on a machine whose clock is wrong."""
    return replace(world.first, clock=SkewedClock(world.clock, seconds))


def a_clock_is_days_fast(world: World) -> None:
    sweep_until_closed(world)
    world.contribute("user 0", 50, week=NEXT)
    do(with_clock(world, timedelta(days=7).total_seconds()), Job.PLAN, week=NEXT)
    promise(not has_plan(world, NEXT), "planned by a wrong clock")


def a_slow_clock_follows_a_fast_one(world: World) -> None:
    end_next_week(world, "user 0")
    do(with_clock(world, 200), Job.PLAN)
    sweep_until_closed(world)
    do(with_clock(world, -200), Job.PLAN, week=NEXT)
    planned, before = world.distribution(NEXT).planned, world.distribution().planned
    in_order = not (planned and before) or planned.header.cutoff >= before.header.cutoff
    promise(in_order, "a cut-off before the last one")


def the_header_of_the_week_before_is_changed(world: World) -> None:
    sweep_until_closed(world)
    weeks = store_of(world.first).state.weeks
    stored = weeks[WEEK].distribution
    planned = stored.planned
    assert planned is not None
    header = replace(planned.header, cutoff=int(WEEK.start.timestamp())).canonical()
    changed = replace(stored, header=header)
    weeks[WEEK] = replace(weeks[WEEK], distribution=changed)
    end_next_week(world, "user 0")
    do(world.first, Job.PLAN, week=NEXT)
    weeks[WEEK] = replace(weeks[WEEK], distribution=stored)
    promise(points_of(world, NEXT) in (0, 50), "counts points twice")


# --- contributions -------------------------------------------------------------------------------


def points_of_before_the_first_week_are_recorded_late(world: World) -> None:
    sweep_until_closed(world)
    now = world.clock.now()
    world.record("user 0", 500, created_at=WEEK.start - A_DAY, recorded_at=now)
    end_next_week(world, "user 1")
    sweep_until_closed(world, week=NEXT)
    promise(points_of(world, NEXT) == 50, "counts points of before the first week")


def a_second_week_follows(world: World) -> None:
    sweep_until_closed(world)
    end_next_week(world, "user 0")
    sweep_until_closed(world, week=NEXT)
    promise(points_of(world, NEXT) == 50, "counts points twice")


def while_points_are_read(record: Callable[[World, Callable[[], None]], None]) -> Scenario:
    """Contributions are recorded beside the query of a plan, and count in exactly one week."""

    def scenario(world: World) -> None:
        world.clock.sleep(0.5)
        store, read = store_of(world.first), store_of(world.first).week_points

        def week_points(*args: object) -> WeekPoints:
            found: list[WeekPoints] = []
            record(world, lambda: found.append(read(*args)))  # type: ignore[arg-type]
            return found[0]

        store.week_points = week_points  # type: ignore[method-assign,assignment]
        do(world.first, Job.PLAN)
        store.week_points = read  # type: ignore[method-assign]
        sweep_until_closed(world)
        end_next_week(world, "user 0")
        sweep_until_closed(world, week=NEXT)
        recorded = sum(each["total_points"] for each in store.state.contributions.values())
        counted = points_of(world) + points_of(world, NEXT)
        promise(counted == recorded, f"{recorded} points recorded, {counted} counted")

    return scenario


def before_the_query(world: World, query: Callable[[], None]) -> None:
    world.clock.sleep(5)
    _contribute_now(world)
    query()


def after_the_query(world: World, query: Callable[[], None]) -> None:
    query()
    _contribute_now(world)


def _contribute_now(world: World) -> None:
    now = world.clock.now()
    world.record("user 2", 70, created_at=WEEK.end - A_DAY, recorded_at=now)


def the_database_answers(
    change: Callable[[Iterator[UserPoints]], Iterator[UserPoints]],
) -> Scenario:
    """The database sums points in a wrong way."""

    def scenario(world: World) -> None:
        store, read = store_of(world.first), store_of(world.first).week_points
        wrong: list[bool] = [True]

        def week_points(*args: object) -> WeekPoints:
            found = read(*args)  # type: ignore[arg-type]
            return replace(found, users=change(found.users)) if wrong else found

        store.week_points = week_points  # type: ignore[method-assign,assignment]
        do(world.first, Job.PLAN)
        promise(not has_plan(world), "planned from wrong sums")

    return scenario


def without_one(users: Iterator[UserPoints]) -> Iterator[UserPoints]:
    next(users)
    return users


def with_one_twice(users: Iterator[UserPoints]) -> Iterator[UserPoints]:
    for number, user in enumerate(users):
        yield user
        if number == 0:
            yield replace(user, contributions=0)


# --- reasons and stops ---------------------------------------------------------------------------


def a_week_is_stopped(world: World) -> None:
    do(world.first, Job.PLAN)
    now = world.clock.now()
    world.first.store.record_failure(
        WEEK, reason="look at it", next_attempt_at=now, attempts=12, stopped=True
    )
    sweep(world.first)
    promise(not world.distribution().stage.is_frozen, "went on without a person")


def the_week_before_is_stopped(world: World) -> None:
    a_week_is_stopped(world)
    end_next_week(world, "user 0")
    sweep(world.first)
    promise(world.first.store.distribution(NEXT) is None, "begun before the week before it")


def something_is_missing(world: World) -> None:
    store_of(world.first).set_rules(require_approval=True)
    do(world.first, Job.PLAN, Job.ANCHOR)
    promise(bool(world.distribution().reason), "waits without a reason")


def a_step_changes_nothing(world: World) -> None:
    store, advance = store_of(world.first), store_of(world.first).advance
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY)
    store.advance = lambda *args, **facts: False  # type: ignore[method-assign]
    attempt(lambda: world.do(world.first, Work(Job.CLOSE, WEEK)))
    store.advance = advance  # type: ignore[method-assign]
    promise(bool(world.distribution().reason), "woken again and again without progress")


SAFEGUARDS = [
    Safeguard(
        "weeks are planned in order",
        edit(
            previous.previous_plan,
            ("raise PreviousWeekOpen(week, before)", "return Previous(since)"),
        ),
        the_next_week_is_planned_first,
        "planned before the week before it",
    ),
    Safeguard(
        "a week is planned after its end",
        both(
            edit(plan_week.check_plannable, ("context.clock.now() < week.end + grace", "False")),
            edit(clock.next_cutoff, ("found.cluster < week.end", "False")),
        ),
        a_running_week_is_planned,
        "planned before its end",
    ),
    Safeguard(
        "no week before the first one",
        edit(plan_week.check_plannable, ("week < first", "False")),
        a_week_before_the_first_one_is_planned,
        "begun before the first week",
    ),
    Safeguard(
        "an unknown genesis is none",
        edit(
            first_week,
            ("ReceiptState.UNKNOWN in states.values()", "False"),
            ("is not ReceiptState.PAID", "is ReceiptState.FREE"),
        ),
        nobody_answers_about_the_genesis,
        "planned with an unknown genesis",
    ),
    Safeguard(
        "a receipt key has one genesis",
        edit(
            make_genesis,
            ("first is ReceiptState.PAID and", "False and"),
            ("_known_receipts(context, ids)[ids[1]] is not ReceiptState.PAID", "False"),
        ),
        a_genesis_with_another_first_week_follows,
        "another first week",
    ),
    Safeguard(
        "no plan beside an unknown anchor",
        edit(
            plan_week.plan_week,
            ("anchor is ReceiptState.UNKNOWN", "False"),
            ("anchor is not ReceiptState.FREE", "anchor is ReceiptState.PAID"),
        ),
        nobody_answers_about_an_anchor,
        "planned anew beside an anchor",
    ),
    Safeguard(
        "the first week bounds late points",
        edit(
            counted_contributions.points_window,
            ("max(week.back(LATE_WEEKS), since)", "week.back(LATE_WEEKS)"),
        ),
        points_of_before_the_first_week_are_recorded_late,
        "counts points of before the first week",
    ),
    Safeguard(
        "late points count from the last cut-off on",
        edit(
            counted_contributions.PointsWindow.place,
            ("self.previous_cutoff <= recorded_at < self.cutoff", "recorded_at < self.cutoff"),
        ),
        a_second_week_follows,
        "counts points twice",
    ),
    Safeguard(
        "points after the cut-off are late",
        edit(
            counted_contributions.PointsWindow.place,
            ("Place.AFTER if recorded_at and recorded_at >= self.cutoff else Place.OWN", "'own'"),
        ),
        while_points_are_read(before_the_query),
        "points recorded",
    ),
    Safeguard(
        "planning waits for its cut-off",
        edit(clock.next_cutoff, ("cutoff - context.clock.now().timestamp()", "0")),
        while_points_are_read(after_the_query),
        "points recorded",
    ),
    Safeguard(
        "every contribution has one fate",
        edit(Fates.check, ("parts != self.seen", "False")),
        the_database_answers(without_one),
        "planned from wrong sums",
    ),
    Safeguard(
        "nobody is in a plan twice",
        edit(roster._each_once, ("commitment == before", "False")),
        the_database_answers(with_one_twice),
        "planned from wrong sums",
    ),
    Safeguard(
        "a stopped week waits for a person",
        edit(story.next_work, ("[] if distribution.stopped else", "")),
        a_week_is_stopped,
        "went on without a person",
    ),
    Safeguard(
        "later weeks wait",
        edit(due.find_work, ("break  # later weeks", "pass  # later weeks")),
        the_week_before_is_stopped,
        "begun before the week before it",
    ),
    Safeguard(
        "a week that waits has a reason",
        edit(run.do_work, ("_record_failure(context, work.week, error, before, began)", "pass")),
        something_is_missing,
        "waits without a reason",
    ),
    Safeguard(
        "a step makes progress",
        edit(run.do_work, ("not is_cut_off and", "False and")),
        a_step_changes_nothing,
        "without progress",
    ),
    Safeguard(
        "the cluster's time checks the clock",
        both(
            edit(clock.check_clock, ("abs(found.difference) > limit", "False")),
            edit(clock.next_cutoff, ("found.cluster < week.end", "False")),
        ),
        a_clock_is_days_fast,
        "planned by a wrong clock",
    ),
    Safeguard(
        "no cut-off before the last one",
        both(
            edit(clock.check_order, ("last is not None and cutoff < last", "False")),
            edit(anchor.check_before_anchor, ("header.cutoff < (previous.cutoff or 0)", "False")),
        ),
        a_slow_clock_follows_a_fast_one,
        "a cut-off before the last one",
    ),
    Safeguard(
        "the stored header of the week before has its root",
        edit(
            previous._stored,
            ("stored_seal(context, planned).header", "planned.header"),
        ),
        the_header_of_the_week_before_is_changed,
        "counts points twice",
    ),
]
