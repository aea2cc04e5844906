"""Safeguards of planning: who counts, when, and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, store_of, user_id_of
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do, rival_of
from tests.simulation.mutations.happen import (
    NEXT,
    attempt,
    creations,
    end_next_week,
    hide_receipts,
    row_of,
)
from tests.simulation.mutations.safeguard import Safeguard, Scenario, edit, promise
from worker.core.payout import hold, single
from worker.core.payout.records import UserPoints, WeekPoints
from worker.core.plan import counted_contributions
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.fates import Fates
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.services.payout import token_accounts
from worker.services.plan import draft, eligibility, plan_week, roster
from worker.services.plan.genesis import first_week, make_genesis
from worker.services.week.story import Job

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
    do(world.first, Job.PLAN)
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
    promise(world.distribution().root == anchored, "planned anew beside an anchor")


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


# --- users and rules -----------------------------------------------------------------------------


def few_points_are_too_few(world: World) -> None:
    store_of(world.first).set_rules(min_points=103)
    do(world.first, Job.PLAN)
    promise(row_of(world, "user 0") is None, "below min_points and in the plan")


def a_stake_is_too_small(world: World) -> None:
    store_of(world.first).set_rules(min_stake=100.0)
    stake = {"user_id": ObjectId(user_id_of("user 0")), "amount": 99.0, "multiplier": 2.0}
    dates = {"start_date": WEEK.start - A_DAY, "end_date": WEEK.end + A_DAY}
    store_of(world.first).add_stake(stake | dates | {"status": "active", "apy": 0.1})
    do(world.first, Job.PLAN)
    row = row_of(world, "user 0")
    promise(row is not None and row.weight == 100 * MULTIPLIER_SCALE, "a bonus below min_stake")


def a_user_is_not_eligible(world: World) -> None:
    store_of(world.first).set_rules(eligibility=[{"field": "role", "not_in": ["bot"]}])
    store_of(world.first).set_user_fields(ObjectId(user_id_of("user 0")), role="bot")
    do(world.first, Job.PLAN)
    promise(row_of(world, "user 0") is None, "not eligible and in the plan")


def a_user_is_stored_twice(world: World) -> None:
    user_id = user_id_of("user 0")
    wallets = {"wallet_address": wallet_named("user 0")}
    store_of(world.first).add_user({"_id": user_id} | wallets)
    sweep_until_closed(world)
    world.clock.sleep(A_DAY.total_seconds())
    sweep(world.first)
    promise(world.balances(["user 0"]) == {"user 0": 0}, "paid to one of two wallets")


def an_account_is_frozen_before_planning(world: World) -> None:
    world.ledger.change_token_account(token_address(wallet_named("user 0")), frozen=True)
    world.clock.sleep(20)
    do(world.first, Job.PLAN)
    row = row_of(world, "user 0")
    promise(row is not None and not row.batch, "in a batch with a frozen account")


# --- token accounts at our cost ------------------------------------------------------------------


def many_accounts_are_missing(world: World) -> None:
    store_of(world.first).set_rules(max_new_accounts_per_week=1)
    for name in ("user 0", "user 1", "user 2"):
        close_account(world, name)
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    promise(creations(world) == 1, "more accounts than the limit")


def wallets_are_named_after_planning(world: World) -> None:
    store_of(world.first).set_rules(max_new_accounts_per_week=1)
    ids = [ObjectId(user_id_of(name)) for name in ("user 0", "user 1")]
    for user_id in ids:
        store_of(world.first).set_user_fields(user_id, wallet_address=None)
    sweep_until_closed(world)
    for name, user_id in zip(("user 0", "user 1"), ids, strict=True):
        close_account(world, name)
        store_of(world.first).set_user_fields(user_id, wallet_address=wallet_named(name))
    world.clock.sleep(A_DAY.total_seconds())
    sweep(world.first)
    promise(creations(world) == 1, "more accounts than the limit")


def close_account(world: World, name: str) -> None:
    world.ledger.put_token_account(token_address(wallet_named(name)), None)
    world.clock.sleep(20)


def an_account_was_closed(*wallets: str, **facts: object) -> Scenario:
    """A user without a token account, for whom we made accounts before."""

    def scenario(world: World) -> None:
        made = {"token_account_wallets": list(wallets)} if wallets else {}
        user_id = ObjectId(user_id_of("user 0"))
        store_of(world.first).set_user_fields(user_id, **made, **facts)
        close_account(world, "user 0")
        sweep_until_closed(world)
        promise(creations(world) == 0, "an account at our cost once more")

    return scenario


SAFEGUARDS = [
    Safeguard(
        "weeks are planned in order",
        edit(
            plan_week.previous_plan,
            ("raise PreviousWeekOpen(week, before)", "return Previous()"),
        ),
        the_next_week_is_planned_first,
        "planned before the week before it",
    ),
    Safeguard(
        "a week is planned after its end",
        edit(plan_week.check_plannable, ("context.clock.now() < week.end + grace", "False")),
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
        edit(first_week, ("is not ReceiptState.PAID", "is ReceiptState.FREE")),
        nobody_answers_about_the_genesis,
        "planned with an unknown genesis",
    ),
    Safeguard(
        "a receipt key has one genesis",
        edit(
            make_genesis,
            ("before[ids[0]] is ReceiptState.PAID and", "False and"),
            ("context.chain.receipts(ids)[ids[1]] is not ReceiptState.PAID", "False"),
        ),
        a_genesis_with_another_first_week_follows,
        "another first week",
    ),
    Safeguard(
        "no plan beside an unknown anchor",
        edit(
            plan_week.plan_week,
            ("anchor is not ReceiptState.FREE", "anchor is ReceiptState.PAID"),
        ),
        nobody_answers_about_an_anchor,
        "planned anew beside an anchor",
    ),
    Safeguard(
        "the first week bounds late points",
        edit(
            counted_contributions.points_window,
            ("max(week.back(LATE_WEEKS), first_week)", "week.back(LATE_WEEKS)"),
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
        edit(plan_week._next_cutoff, ("cutoff - context.clock.now().timestamp()", "0")),
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
        "min_points",
        edit(eligibility._with_enough_points, ("user.points >= rules.min_points", "True")),
        few_points_are_too_few,
        "below min_points",
    ),
    Safeguard(
        "min_stake",
        edit(eligibility.staking_multipliers, ("stake.amount >= rules.min_stake", "True")),
        a_stake_is_too_small,
        "a bonus below min_stake",
    ),
    Safeguard(
        "eligibility",
        edit(Rules.failed_condition, ("if not each.holds(fields)", "if False")),
        a_user_is_not_eligible,
        "not eligible and in the plan",
    ),
    Safeguard(
        "a user with two documents is held at planning",
        edit(hold.hold_reason, ("account.is_twice", "False")),
        a_user_is_stored_twice,
        "paid to one of two wallets",
    ),
    Safeguard(
        "a user with two documents stays held",
        edit(single.wallet_of, ("account and not account.is_twice", "account")),
        a_user_is_stored_twice,
        "paid to one of two wallets",
    ),
    Safeguard(
        "a recipient with a problem is held",
        edit(hold.hold_reason, ("problem := problem_text(recipient)", "problem := ''")),
        an_account_is_frozen_before_planning,
        "in a batch with a frozen account",
    ),
    Safeguard(
        "the limit of new accounts at planning",
        edit(
            draft.make_draft,
            ("counted.new_accounts > rules.max_new_accounts_per_week", "False"),
        ),
        many_accounts_are_missing,
        "more accounts than the limit",
    ),
    Safeguard(
        "the limit of new accounts after planning",
        edit(token_accounts.create_within_limit, ("wanted[: max(0, room)]", "wanted")),
        wallets_are_named_after_planning,
        "more accounts than the limit",
    ),
    Safeguard(
        "a closed account is not made again",
        edit(hold.why_no_account, ("wallet in account.account_wallets", "False")),
        an_account_was_closed(wallet_named("user 0")),
        "an account at our cost once more",
    ),
    Safeguard(
        "a user gets few accounts",
        edit(hold.why_no_account, ("ACCOUNTS_PER_USER_MAX", "100")),
        an_account_was_closed("one", "another", "a third", token_account_created_at=WEEK.start),
        "an account at our cost once more",
    ),
    Safeguard(
        "an account made before wallets were recorded counts",
        edit(hold.why_no_account, ("account.had_token_account and", "False and")),
        an_account_was_closed(token_account_created_at=WEEK.start),
        "an account at our cost once more",
    ),
]
