"""Databases, operators, keys and chains that do not agree with each other.

Whatever the database says, the chain decides: the auditor never finds a second payment, and the
week closes by itself, or says visibly why not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain import FakeChain, wallet_named
from tests.fakes.store_state import State
from tests.fakes.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.facts import POOL, audit_world, inputs_of
from tests.simulation.sweeping import assert_clean, is_closed, sweep, sweep_until_closed
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage, Status
from worker.core.receipts import BatchId, anchor_id
from worker.services.context import Context, Deadline
from worker.services.genesis import NoGenesis, WeekAnchoredBefore, make_genesis
from worker.services.plan import plan_week
from worker.services.rebuild import rebuild_week
from worker.services.reconcile import reconcile
from worker.services.run import do_work
from worker.services.work import Job, Work

NAMES = [f"user {i}" for i in range(8)]


@pytest.fixture
def world() -> World:
    """Eight contributors in batches of two, of whom one will be frozen, and genesis."""
    world = World(batch_size=2)
    world.populate(len(NAMES))
    world.genesis()
    return world


def rival_of(world: World, **chain: object) -> Context:
    """A second operator with the same keys, and a database of their own with the same wiki."""
    rival = world.add_operator(**chain)
    store_of(rival).restore(store_of(world.first).snapshot())
    return rival


def frozen_wallet(world: World) -> str:
    """The first wallet of the first batch."""
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    return row.wallet


def freeze(world: World, *, frozen: bool = True) -> None:
    account = token_address(frozen_wallet(world))
    world.ledger.change_token_account(account, frozen=frozen)
    world.clock.sleep(20)


def do(context: Context, job: Job, first: int = 0, last: int = 0) -> None:
    do_work(context, Work(job, WEEK, first, last), seconds=600)


def rebuild(world: World) -> None:
    """What an operator does about a week that stopped or was damaged."""
    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    world.first.store.requeue(WEEK, world.clock.now())


def is_whole(world: World) -> bool:
    """Closed, and the database agrees with the chain."""
    world.ledger.finalize()
    return is_closed(world.first) and audit_world(world).findings == []


def is_seen(world: World) -> bool:
    """Whether the damage is named on the week, or by the daily reconciliation."""
    distribution = world.distribution()
    if distribution.reason:
        return True
    try:
        return not reconcile(world.first, distribution).is_exact
    except KontribError:
        return True


def paid_to(world: World) -> int:
    return sum(world.balances(NAMES).values())


# --- two operators -------------------------------------------------------------------------------


def test_two_operators_racing_for_the_anchor_with_different_plans_pay_one_of_them(
    world: World,
) -> None:
    rival = rival_of(world)
    plan_week(world.first, WEEK)
    store_of(rival).set_user_fields(ObjectId(user_id_of(NAMES[3])), wallet_address=None)
    plan_week(rival, WEEK)
    assert world.distribution().root != world.distribution(context=rival).root
    raced: list[str] = []

    def race(method: str) -> None:
        if method == "send" and not raced:
            raced.append(method)
            do(rival, Job.ANCHOR)

    chain_of(world.first).before = race
    sweep_until_closed(world, world.first, rival)
    assert world.distribution().root == world.distribution(context=rival).root
    assert_clean(world)


@pytest.mark.parametrize("rival_wins", [True, False])
def test_an_operator_with_another_batch_size_adopts_the_anchored_batches(
    world: World, rival_wins: bool
) -> None:
    rival = rival_of(world)
    chain_of(rival).transfers_per_transaction = 3
    plan_week(world.first, WEEK)
    plan_week(rival, WEEK)
    do(rival if rival_wins else world.first, Job.ANCHOR)
    sweep_until_closed(world, world.first, rival)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_an_operator_whose_rules_round_otherwise_adopts_the_anchored_amounts(world: World) -> None:
    rival = rival_of(world)
    store_of(rival).set_rules(min_tokens_per_user=1_240.0)
    plan_week(world.first, WEEK)
    plan_week(rival, WEEK)
    assert world.distribution().root != world.distribution(context=rival).root
    sweep_until_closed(world, rival, world.first)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_two_operators_who_pay_at_the_same_time_pay_each_batch_once(world: World) -> None:
    rival = rival_of(world)
    sweep_stage(world.first, Stage.PREPARED)
    sweep_stage(rival, Stage.PREPARED)
    raced: list[str] = []

    def race(method: str) -> None:
        if method == "send" and len(raced) < 3:
            raced.append(method)
            do(rival, Job.PAY, len(raced) - 1, 100)

    chain_of(world.first).before = race
    sweep_until_closed(world, world.first, rival)
    assert raced
    assert paid_to(world) == POOL
    assert_clean(world)


def sweep_stage(context: Context, stage: Stage) -> None:
    """Work on the week until it has come that far."""
    jobs = {Stage.PLANNED: Job.PLAN, Stage.ANCHORED: Job.ANCHOR, Stage.PREPARED: Job.ACCOUNTS}
    for reached, job in jobs.items():
        do(context, job)
        if reached is stage:
            return


# --- lost databases and old backups --------------------------------------------------------------


def backups(world: World) -> dict[str, State]:
    """Play a week in which a batch is voided, and keep a backup from every moment of it."""
    store, taken = store_of(world.first), {}
    taken["before the plan"] = store.snapshot()
    sweep_stage(world.first, Stage.PLANNED)
    taken["after the plan"] = store.snapshot()
    freeze(world)
    do(world.first, Job.ANCHOR)
    taken["after the anchor"] = store.snapshot()
    do(world.first, Job.ACCOUNTS)
    do(world.first, Job.PAY, 1, 2)
    taken["in the middle"] = store.snapshot()
    do(world.first, Job.PAY, 0, 1)
    taken["after a void"] = store.snapshot()
    do(world.first, Job.SINGLES)
    taken["after singles were made"] = store.snapshot()
    sweep_until_closed(world)
    taken["after the end"] = store.snapshot()
    return taken


MOMENTS = [
    "before the plan",
    "after the plan",
    "after the anchor",
    "in the middle",
    "after a void",
    "after singles were made",
    "after the end",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_any_moment_put_back_after_the_end_moves_nothing(
    world: World, moment: str
) -> None:
    taken = backups(world)
    before = world.balances(NAMES)
    store_of(world.first).restore(taken[moment])
    sweep_until_closed(world)
    assert world.balances(NAMES) == before
    assert_clean(world)


@pytest.mark.parametrize("table", ["weeks", "rewards", "payouts", "first_week"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_a_single_collection_pays_nobody_twice_and_a_rebuild_mends_it(
    world: World, moment: str, table: str
) -> None:
    taken = backups(world)
    before = world.balances(NAMES)
    store = store_of(world.first)
    store.restore(taken["after the end"])
    setattr(store.state, table, getattr(taken[moment].copy(), table))
    store.requeue(WEEK, world.clock.now())
    for _ in range(5):
        sweep(world.first)
        world.clock.sleep(300)
    assert world.balances(NAMES) == before
    assert is_whole(world) or is_seen(world)
    rebuild(world)
    sweep_until_closed(world)
    assert world.balances(NAMES) == before
    assert_clean(world)


@pytest.mark.parametrize("table", ["weeks", "rewards", "payouts"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("present", ["after a void", "after singles were made"])
def test_a_collection_put_back_in_mid_week_pays_nobody_twice_and_forgets_nobody(
    present: str, moment: str, table: str, world: World
) -> None:
    taken = backups(world)
    store = store_of(world.first)
    store.restore(taken[present])
    setattr(store.state, table, getattr(taken[moment].copy(), table))
    for _ in range(5):
        sweep(world.first)
        world.clock.sleep(300)
    assert is_whole(world) or is_seen(world)
    rebuild(world)
    sweep_until_closed(world)
    assert_clean(world)


@pytest.mark.parametrize("table", ["rewards", "payouts"])
def test_a_lost_collection_stops_the_week_until_it_is_rebuilt(world: World, table: str) -> None:
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 2)
    getattr(store_of(world.first).state, table).clear()
    sweep(world.first)
    assert not is_closed(world.first)
    assert world.distribution().reason
    rebuild(world)
    sweep_until_closed(world)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_a_database_dropped_in_mid_week_is_rebuilt_by_the_sweeper_alone(world: World) -> None:
    freeze_after_planning(world)
    do(world.first, Job.ACCOUNTS)
    do(world.first, Job.PAY, 0, 2)
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()
    sweep_until_closed(world)
    assert world.ledger.balance(frozen_wallet(world)) == 0
    assert_clean(world)


def freeze_after_planning(world: World) -> None:
    do(world.first, Job.PLAN)
    freeze(world)
    do(world.first, Job.ANCHOR)


def test_a_held_reward_that_was_paid_alone_is_known_as_paid_after_a_rebuild(world: World) -> None:
    ghost = world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    sweep_until_closed(world)
    world.open_account("ghost")
    fields = store_of(world.first)
    fields.set_user_fields(ObjectId(ghost), wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    sweep(world.first)
    assert world.ledger.balance(wallet_named("ghost")) > 0
    inputs = inputs_of(world)
    fields.set_user_fields(ObjectId(ghost), wallet_address=wallet_named("another one"))
    fields.state.weeks.clear()
    sweep_until_closed(world)
    reward = world.first.store.reward(WEEK, ghost)
    assert reward is not None
    assert reward.status is Status.COMPLETED
    assert_clean(world, inputs=inputs)


# --- strangers -----------------------------------------------------------------------------------


def test_receipts_that_strangers_fund_and_mention_change_nothing(world: World) -> None:
    ids = [anchor_id(WEEK), *(str(BatchId(WEEK, i)) for i in range(4))]
    addresses = [chain_of(world.first).receipt_address(each) for each in ids]
    for address in addresses:
        world.ledger.give_lamports(address, 10_000_000)
        world.ledger.stranger_mentions(address)
    do(world.first, Job.PLAN)
    freeze(world)
    sweep_until_closed(world)
    for address in addresses:
        world.ledger.stranger_mentions(address)
    store_of(world.first).state.weeks.clear()
    sweep_until_closed(world)
    assert_clean(world)


# --- keys and mint -------------------------------------------------------------------------------


def with_chain(context: Context, **keys: str) -> Context:
    """The same operator with other keys."""
    chain = chain_of(context)
    other = FakeChain(chain.ledger, source=chain.source, transfers_per_transaction=2, **keys)  # type: ignore[arg-type]
    return replace(context, chain=other)


def test_another_receipt_key_pays_nothing_of_a_week_that_was_begun(world: World) -> None:
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 1)
    before = world.balances(NAMES)
    changed = with_chain(world.first, authority="authority", receipt_key="another key")
    failures = sweep(changed)
    with pytest.raises(WeekAnchoredBefore, match="2024-W51"):
        make_genesis(changed, WEEK)
    assert "NoGenesis" in failures
    assert world.balances(NAMES) == before


def test_a_new_receipt_key_begins_after_the_last_anchored_week(world: World) -> None:
    sweep_until_closed(world)
    for name in NAMES:
        world.contribute(name, 70, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    inputs = inputs_of(world)
    changed = with_chain(world.first, authority="authority", receipt_key="another key")
    with pytest.raises(NoGenesis):
        plan_week(changed, WEEK.next())
    make_genesis(changed, WEEK.next())
    sweep_until_closed(world, changed, week=WEEK.next())
    assert paid_to(world) == 2 * POOL
    assert inputs.receipt_key != chain_of(changed).receipt_key


def test_a_payout_authority_is_rotated_in_mid_week_while_the_receipt_key_stays() -> None:
    world = World(batch_size=2)
    chain = chain_of(world.first)
    chain.receipt_key = "receipts"
    world.populate(len(NAMES))
    world.genesis()
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 1)
    rotated = with_chain(world.first, authority="new authority", receipt_key="receipts")
    world.ledger.change_token_account(chain.source, owner="new authority")
    world.ledger.give_lamports("new authority", 10**12)
    world.clock.sleep(20)
    sweep_until_closed(world, rotated)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_another_mint_stops_a_week_that_was_begun(world: World) -> None:
    sweep_until_closed(world)
    for name in NAMES:
        world.contribute(name, 70, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    do_work(world.first, Work(Job.PLAN, WEEK.next()), seconds=600)
    world.ledger.mint = "another mint"
    failures = sweep(world.first)
    assert "NoGenesis" in failures
    assert paid_to(world) == POOL


# --- forks ---------------------------------------------------------------------------------------


def fork_after_a_send(world: World, depth: int) -> list[int]:
    """Abandon the last blocks shortly after the first send; says how many sends that undid."""
    chain, forked, seen = chain_of(world.first), [], []

    def after(method: str) -> None:
        seen.append(method)
        if forked or method != "finalized_height" or "send" not in seen:
            return
        forked.append(len(world.ledger.fork(depth)))

    chain.after = after
    return forked


@pytest.mark.parametrize("depth", [2, 10, 31])
def test_an_anchor_that_a_fork_drops_is_sent_again_before_anything_is_paid(
    world: World, depth: int
) -> None:
    do(world.first, Job.PLAN)
    forked = fork_after_a_send(world, depth)
    sweep_until_closed(world)
    assert forked
    assert forked[0] > 0
    assert paid_to(world) == POOL
    assert_clean(world)


@pytest.mark.parametrize("depth", [2, 10, 31])
@pytest.mark.parametrize("thawed", [True, False])
def test_a_void_that_a_fork_drops_pays_nobody_alone_before_it_is_final(
    world: World, depth: int, thawed: bool
) -> None:
    freeze_after_planning(world)
    do(world.first, Job.ACCOUNTS)
    freeze(world, frozen=True)
    forked = fork_after_a_send(world, depth)
    if thawed:
        chain_of(world.first).before = thaw_once_sent(world)
    sweep_until_closed(world)
    assert forked
    assert forked[0] > 0
    assert_clean(world)


def thaw_once_sent(world: World) -> Callable[[str], None]:
    thawed: list[str] = []

    def before(method: str) -> None:
        if method == "finalized_height" and "send" in thawed and "thawed" not in thawed:
            thawed.append("thawed")
            account = token_address(frozen_wallet(world))
            world.ledger.change_token_account(account, frozen=False)
        elif method == "send":
            thawed.append(method)

    return before


# --- what the wiki does meanwhile ----------------------------------------------------------------


@pytest.mark.parametrize("between", ["a removed wallet", "another wallet"])
def test_a_wallet_removed_and_added_again_between_plan_and_payment_is_paid_once(
    world: World, between: str
) -> None:
    user, store = ObjectId(user_id_of(NAMES[1])), store_of(world.first)
    inputs = inputs_of(world)
    do(world.first, Job.PLAN)
    new = None if between == "a removed wallet" else wallet_named("elsewhere")
    store.set_user_fields(user, wallet_address=new)
    do(world.first, Job.ANCHOR)
    freeze(world)
    do(world.first, Job.ACCOUNTS)
    do(world.first, Job.PAY, 0, 2)
    store.set_user_fields(user, wallet_address=wallet_named(NAMES[1]))
    sweep_until_closed(world)
    freeze(world, frozen=False)
    store.requeue(WEEK, world.clock.now())
    sweep(world.first)
    assert paid_to(world) == POOL
    assert_clean(world, inputs=inputs)


@pytest.mark.parametrize("stage", [Stage.PLANNED, Stage.ANCHORED, Stage.PREPARED])
def test_contributions_inserted_edited_and_deleted_after_the_plan_leave_it_as_it_is(
    world: World, stage: Stage
) -> None:
    sweep_stage(world.first, stage)
    root, inputs = world.distribution().root, inputs_of(world)
    contributions = store_of(world.first).state.contributions
    first, second = list(contributions)[:2]
    contributions[first] = contributions[first] | {"total_points": 5_000}
    del contributions[second]
    world.contribute(NAMES[5], 400)
    sweep_until_closed(world)
    assert world.distribution().root == root
    assert paid_to(world) == POOL
    assert_clean(world, inputs=inputs)


def test_a_contribution_that_comes_late_is_paid_with_the_next_week_and_only_there(
    world: World,
) -> None:
    do(world.first, Job.PLAN)
    in_week, now = WEEK.start + timedelta(days=3), world.clock.now()
    world.record(NAMES[6], 300, created_at=in_week, recorded_at=now + timedelta(minutes=1))
    sweep_until_closed(world)
    world.clock.sleep(timedelta(days=7).total_seconds())
    sweep_until_closed(world, week=WEEK.next())
    late = world.first.store.reward(WEEK.next(), user_id_of(NAMES[6]))
    assert late is not None
    assert (late.row.points, late.row.amount) == (300, POOL)
    assert paid_to(world) == 2 * POOL
    assert_clean(world)
