"""Small weeks for the exhaustive test: every call of the money path is in one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain import wallet_named
from tests.fakes.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation import goals
from tests.simulation.player import Act, Scenario
from worker.core.lifecycle import Stage
from worker.services.context import Context, Deadline
from worker.services.genesis import make_genesis
from worker.services.operate import (
    hold_reward,
    redirect_reward,
    release_reward,
    retry_week,
    wallet_of_today,
)
from worker.services.plan import dry_run, plan_week
from worker.services.rebuild import rebuild_week, recover_by_wallet
from worker.services.run import do_work
from worker.services.work import Job, Work

FINALITY_SLOTS = 4
SETTLE_SECONDS = 10.0
"""Until a change on chain is seen by every endpoint."""
NEXT_WEEK = WEEK.next()


def small_world() -> World:
    """Three batches of two, one reward held for want of a wallet, one missing token account."""
    world = World(batch_size=2)
    world.ledger.finalized_lag_slots = FINALITY_SLOTS
    for name in ("ada", "bob", "cyd", "dan"):
        world.add_user(name)
    world.add_user("new", account=False)
    world.add_user("ghost", wallet=None)
    for name in ("ada", "bob", "cyd", "dan", "new", "ghost"):
        world.contribute(name, 100)
    return world


# --- what happens in the world ---------------------------------------------------------------


def freeze(world: World, *, frozen: bool = True) -> None:
    account = token_address(wallet_named("ada"))
    world.ledger.change_token_account(account, frozen=frozen)


def name_a_wallet(world: World) -> None:
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))


def make_everyone_payable(world: World) -> None:
    """The frozen account is thawed, and the ghost names a wallet without a token account."""
    freeze(world, frozen=False)
    name_a_wallet(world)
    world.clock.sleep(timedelta(days=2).total_seconds())
    world.first.store.requeue(WEEK, world.clock.now())


def lose_database(world: World) -> None:
    empty_database(world.first)


def empty_database(context: Context) -> None:
    """Everything that is ours is gone; what is the wiki's is still there."""
    state = store_of(context).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()


def lose_database_and_file(world: World) -> None:
    lose_database(world)
    world.archive.files.clear()


def misplace_file(world: World) -> None:
    """Database and file are gone, and the wiki's data is not what it was."""
    lose_database(world)
    for name in list(world.archive.files):
        world.archive.files[f"{name}.misplaced"] = world.archive.files.pop(name)
    world.contribute("bob", 50)


def find_file_again(world: World) -> None:
    for name in list(world.archive.files):
        world.archive.files[name.removesuffix(".misplaced")] = world.archive.files[name]


def another_operator_anchors_first(world: World) -> None:
    """Their wiki knows of one contribution more, so their plan is another one."""
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    empty_database(rival)
    world.contribute("bob", 50)
    for job in (Job.PLAN, Job.ANCHOR):
        do_work(rival, Work(job, WEEK), seconds=600)


def another_worker_plans_meanwhile(world: World) -> None:
    """A second worker of the same database is faster, from its first look to its last."""
    chain, raced = chain_of(world.first), []

    def race(method: str) -> None:
        if method == "costs" and not raced:
            raced.append(method)
            plan_week(world.first, WEEK)

    chain.before = race


def drop_the_new_account(world: World) -> None:
    """A fork drops the creation of a token account after it was seen."""
    world.ledger.put_token_account(token_address(wallet_named("new")), None)
    world.clock.sleep(SETTLE_SECONDS)


def land_slowly(world: World) -> None:
    """A week later, on a cluster that takes its time with every transaction."""
    for name in ("ada", "bob", "late"):
        if name == "late":
            world.add_user(name, account=False)
        world.contribute(name, 100, week=NEXT_WEEK)
    world.clock.sleep(timedelta(days=7).total_seconds())
    world.ledger.holds_sends, looks = True, []

    def deliver_late(method: str) -> None:
        if method in ("finalized_height", "recipients"):
            looks.append(method)
            if len(looks) % 3 == 0:
                world.ledger.deliver()

    chain_of(world.first).before = deliver_late


def lose_database_a_week_later(world: World) -> None:
    world.contribute("ada", 100, week=NEXT_WEEK)
    world.clock.sleep(timedelta(days=7).total_seconds())
    lose_database(world)


def shrink_transactions(world: World) -> None:
    """The endpoints take smaller transactions than when the plan was made."""
    chain_of(world.first).transfers_per_transaction = 1


def pause(world: World) -> None:
    world.first.store.pause("the auditor calls")


def resume(world: World) -> None:
    world.first.store.pause(None)


def refuse_sends(world: World) -> None:
    chain_of(world.first).refuses_sends = "node is behind"


def accept_sends(world: World) -> None:
    chain_of(world.first).refuses_sends = None
    retry_week(world.first, WEEK)


# --- what operators do -----------------------------------------------------------------------


def genesis(context: Context) -> None:
    make_genesis(context, WEEK)


def rebuild(context: Context) -> None:
    rebuild_week(context, WEEK, Deadline(context.clock, 120))


def look_what_was_paid(context: Context) -> None:
    recover_by_wallet(context, WEEK)
    rebuild(context)


def plan_the_next_week(context: Context) -> None:
    dry_run(context, NEXT_WEEK)
    plan_week(context, NEXT_WEEK)


def redirect_and_hold(context: Context) -> None:
    ghost = user_id_of("ghost")
    redirect_reward(context, WEEK, ghost, wallet_of_today(context, ghost))
    hold_reward(context, WEEK, ghost, "asked by mail")


def release(context: Context) -> None:
    release_reward(context, WEEK, user_id_of("ghost"))
    retry_week(context, WEEK)


# --- the scenarios ---------------------------------------------------------------------------

GENESIS = Act("genesis", goals.has_genesis, task=genesis)
PLAN = Act("plan", goals.reached(Stage.PLANNED))
ACCOUNTS = Act("accounts", goals.reached(Stage.PREPARED))
CLOSE = Act("close", goals.reached(Stage.COMPLETED), prepare=freeze)
PAY_EVERYONE = Act("pay everyone", goals.everybody_paid, prepare=make_everyone_payable)
PAY_A_FIRST_ONE = Act("pay a first one", goals.somebody_paid)
A_WEEK_LATER = Act("a week later", lambda _: True, prepare=lose_database_a_week_later)
HOLD = Act("redirect and hold", goals.on_hold, prepare=name_a_wallet, task=redirect_and_hold)


def closing(prepare: Callable[[World], None]) -> Act:
    return replace(CLOSE, prepare=prepare)


SCENARIOS = (
    Scenario("a whole week", (GENESIS, PLAN, CLOSE, PAY_EVERYONE)),
    Scenario(
        "the database is lost in the middle",
        (closing(lose_database), PAY_EVERYONE),
        before=(GENESIS, PLAN, replace(PAY_A_FIRST_ONE, prepare=freeze)),
    ),
    Scenario(
        "the database and the published plan are lost in the middle",
        (closing(lose_database_and_file),),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "the published plan is missing and comes back",
        (
            Act("look", goals.plan_is_missing, prepare=misplace_file),
            Act("rebuild", goals.plan_is_missing, task=look_what_was_paid),
            closing(find_file_again),
        ),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "the database is lost after the end",
        (Act("pay everyone", goals.everybody_paid, prepare=lose_database),),
        before=(GENESIS, PLAN, CLOSE, PAY_EVERYONE),
    ),
    Scenario(
        "another operator anchors another plan first",
        (closing(another_operator_anchors_first),),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "another worker plans the week at the same time",
        (replace(PLAN, prepare=another_worker_plans_meanwhile),),
        before=(GENESIS,),
    ),
    Scenario(
        "the plan's batches have become too large, and it is made again",
        (closing(shrink_transactions),),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "a created token account is gone again before the payment",
        (closing(drop_the_new_account),),
        before=(GENESIS, PLAN, ACCOUNTS),
    ),
    Scenario(
        "a second week lands slowly",
        (Act("close", goals.reached(Stage.COMPLETED, NEXT_WEEK), prepare=land_slowly),),
        before=(GENESIS, PLAN, CLOSE),
    ),
    Scenario(
        "the second week is planned with an empty database",
        (Act("plan", goals.reached(Stage.PLANNED, NEXT_WEEK), task=plan_the_next_week),),
        before=(GENESIS, PLAN, CLOSE, A_WEEK_LATER),
        after=(Act("close", goals.reached(Stage.COMPLETED, NEXT_WEEK)),),
    ),
    Scenario(
        "signing is paused and resumed, and nodes refuse for a while",
        (
            Act("paused", goals.has_a_reason, prepare=pause),
            Act("refused for the last time", goals.is_stopped, prepare=resume),
            closing(accept_sends),
        ),
        before=(
            GENESIS,
            PLAN,
            ACCOUNTS,
            Act("refused", goals.almost_out_of_tries, prepare=refuse_sends),
        ),
    ),
    Scenario(
        "an operator redirects, holds and rebuilds",
        (
            HOLD,
            Act("rebuild", goals.reached(Stage.ANCHORED), task=rebuild),
            Act("release", goals.released, task=release),
            PAY_EVERYONE,
        ),
        before=(GENESIS, PLAN, CLOSE),
    ),
)
