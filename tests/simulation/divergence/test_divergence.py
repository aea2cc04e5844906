"""Operators, chains and wikis that disagree.

The chain decides, and not the database. The auditor never finds a second payment, and the week
closes by itself or shows the reason why not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.divergence.histories import (
    NAMES,
    do,
    freeze,
    freeze_after_planning,
    frozen_wallet,
    paid_to,
    rival_of,
    sweep_stage,
)
from tests.simulation.facts import POOL, inputs_of
from tests.simulation.faults.sweeping import assert_clean, sweep, sweep_until_closed
from worker.core.lifecycle import Stage, Status
from worker.core.plan.receipts import BatchId, anchor_id
from worker.services.payout.override import hold_reward, release_reward
from worker.services.plan.plan_week import plan_week
from worker.services.week.story import Job

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


# --- forks ---------------------------------------------------------------------------------------


def fork_after_a_send(world: World, depth: int) -> list[int]:
    """Abandon the last blocks after the first send; return how many sends were undone."""
    chain, forked = chain_of(world.first), list[int]()

    def after(method: str) -> None:
        if not forked and method == "send":
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
        if method == "statuses" and "send" in thawed and "thawed" not in thawed:
            thawed.append("thawed")
            account = token_address(frozen_wallet(world))
            world.ledger.change_token_account(account, frozen=False)
        elif method == "send":
            thawed.append(method)

    return before


# --- simultaneous changes in the wiki ------------------------------------------------------------


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
    store.requeue(WEEK)
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


# --- simultaneous changes by recipients ----------------------------------------------------------


def test_an_owner_who_closes_every_account_we_create_stops_nobody_and_farms_no_rent(
    world: World,
) -> None:
    world.add_user("farmer", account=False)
    world.contribute("farmer", 100)
    account, created = token_address(wallet_named("farmer")), []

    def close_at_once(method: str) -> None:
        if method == "send" and world.ledger.token_account(account) is not None:
            created.append(method)
            world.ledger.put_token_account(account, None)

    chain_of(world.first).after = close_at_once
    sweep_until_closed(world)
    for _ in range(4):
        world.clock.sleep(7 * 3600)
        sweep(world.first)
    assert len(created) <= 3
    assert paid_to(world) > 0
    assert_clean(world)


def test_a_reward_on_hold_that_another_operator_paid_is_known_as_paid_once_released(
    world: World,
) -> None:
    ghost = world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    sweep_until_closed(world)
    hold_reward(world.first, WEEK, ghost, "asked by mail")
    rival = rival_of(world)
    release_reward(rival, WEEK, ghost)
    world.open_account("ghost")
    for operator in (world.first, rival):
        store_of(operator).set_user_fields(ObjectId(ghost), wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    sweep(rival)
    sweep(world.first)
    held = world.first.store.reward(WEEK, ghost)
    release_reward(world.first, WEEK, ghost)
    sweep(world.first)
    paid = world.first.store.reward(WEEK, ghost)
    assert held is not None
    assert paid is not None
    assert (held.status, paid.status) == (Status.PENDING, Status.COMPLETED)
    assert_clean(world)
