"""Safeguards of planning: the users of a plan, and token accounts at our cost."""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do
from tests.simulation.mutations.happen import (
    creations,
    row_of,
)
from tests.simulation.mutations.safeguard import Safeguard, Scenario, edit, promise
from worker.core.payout import hold, single
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.rules import Rules
from worker.services.payout import token_accounts
from worker.services.plan import draft, eligibility
from worker.services.week.story import Job

A_DAY = timedelta(days=1)


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


def wallets_are_named_while_a_plan_is_open(world: World) -> None:
    """The plan makes as many accounts as the limit allows, and a single of it wants one more."""
    store_of(world.first).set_rules(max_new_accounts_per_week=1)
    for name in ("user 0", "user 1", "user 2"):
        close_account(world, name)
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.SINGLES)
    promise(creations(world) == 1, "more accounts than the limit")
    sweep_until_closed(world)
    for _ in range(3):
        world.clock.sleep(7 * A_DAY.total_seconds())
        sweep(world.first)
    promise(creations(world) == 3, "a user never gets an account")


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


def creations_fail_for_a_while(world: World) -> None:
    user_id = ObjectId(user_id_of("user 0"))
    store_of(world.first).set_user_fields(user_id, wallet_address=None)
    sweep_until_closed(world)
    close_account(world, "user 0")
    store_of(world.first).set_user_fields(user_id, wallet_address=wallet_named("user 0"))
    chain_of(world.first).refuses_sends = "node is behind"
    world.clock.sleep(A_DAY.total_seconds())
    sweep(world.first)
    chain_of(world.first).refuses_sends = None
    world.clock.sleep(A_DAY.total_seconds())
    sweep(world.first)
    promise(world.balances(["user 0"])["user 0"] > 0, "an account that was never made counts")


SAFEGUARDS = [
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
            draft._make_roster,
            ("counted.new_accounts > new_accounts_max", "False"),
        ),
        many_accounts_are_missing,
        "more accounts than the limit",
    ),
    Safeguard(
        "the limit of new accounts after planning",
        edit(token_accounts.create_within_limit, ("wanted[: max(0, limit - used)]", "wanted")),
        wallets_are_named_after_planning,
        "more accounts than the limit",
    ),
    Safeguard(
        "the limit of new accounts counts those of an open plan",
        edit(token_accounts.create_within_limit, (" + _of_open_plans(context)", "")),
        wallets_are_named_while_a_plan_is_open,
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
    Safeguard(
        "a failed creation does not count",
        edit(token_accounts.create_within_limit, ("if wallet in made", "")),
        creations_fail_for_a_while,
        "an account that was never made counts",
    ),
]
