"""Rewards that are paid alone are counted, and token accounts are made within the limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.traps import do
from worker.core.cost import OtherTransaction, TransactionKind
from worker.core.lifecycle import Stage
from worker.core.payout.hold import NO_WALLET
from worker.core.payout.records import PayoutKind
from worker.core.payout.single import UNREADABLE
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Deadline
from worker.services.payout.release_singles import release_singles
from worker.services.payout.token_accounts import create_within_limit, prepare_accounts
from worker.services.plan.planned_week import planned_week
from worker.services.week.story import Job

NAMES = [f"user {number}" for number in range(6)]
A_WEEK = timedelta(days=7)


def user(world: World, name: str, **fields: object) -> None:
    store_of(world.first).set_user_fields(ObjectId(user_id_of(name)), **fields)


def close(world: World, *names: str) -> None:
    for name in names:
        world.ledger.put_token_account(token_address(wallet_named(name)), None)
    world.clock.sleep(20)


@pytest.fixture
def held(world: World) -> World:
    """The rewards of four users are held, since the users have no wallet."""
    world.populate(6)
    for name in NAMES[:4]:
        user(world, name, wallet_address=None)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    return world


def test_payable_and_waiting_rewards_are_counted(held: World) -> None:
    for name in NAMES[:2]:
        user(held, name, wallet_address=wallet_named(name))

    planned = planned_week(held.first.store, WEEK)
    release = release_singles(held.first, planned, Deadline(held.clock, 60))

    assert (release.payable, dict(release.waiting)) == (2, {NO_WALLET: 2})


def test_a_reward_whose_receipt_is_unknown_waits_alone(held: World) -> None:
    for name in NAMES[:4]:
        user(held, name, wallet_address=wallet_named(name))
    chain, asked = chain_of(held.first), list[str]()

    def receipts(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        found = FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)
        asked.extend(each for each in ids if "/u/" in each)
        return {i: ReceiptState.UNKNOWN if i in asked[:1] else state for i, state in found.items()}

    chain.receipts = receipts  # type: ignore[method-assign]
    planned = planned_week(held.first.store, WEEK)
    release = release_singles(held.first, planned, Deadline(held.clock, 60))

    assert (release.payable, dict(release.waiting)) == (3, {UNREADABLE: 1})


@pytest.mark.parametrize("per_transaction", [1, 9])
def test_every_missing_account_of_a_plan_is_made_and_counted(
    world: World, per_transaction: int
) -> None:
    world.populate(6)
    world.genesis()
    close(world, *NAMES[:3])
    do(world.first, Job.PLAN, Job.ANCHOR)
    chain_of(world.first).accounts_per_transaction = per_transaction

    planned = planned_week(world.first.store, WEEK)
    done = prepare_accounts(world.first, planned, Deadline(world.clock, 600))
    again = prepare_accounts(world.first, planned, Deadline(world.clock, 600))

    assert (done, again) == ((3, True), (0, True))
    assert world.distribution().stage is Stage.PREPARED


def test_accounts_of_the_last_seven_days_count_against_the_limit(held: World) -> None:
    store_of(held.first).set_rules(max_new_accounts_per_week=2)
    wanted = [(user_id_of(name), wallet_named(name)) for name in NAMES[:4]]
    close(held, *NAMES[:4])
    begin = held.clock.now()

    def create() -> set[str]:
        left = [pair for pair in wanted if not _has_account(held, pair[1])]
        return create_within_limit(held.first, WEEK, left, Deadline(held.clock, 60))

    assert create() == {wallet for _, wallet in wanted[:2]}
    assert create() == set()
    held.clock.sleep((begin + A_WEEK - held.clock.now()).total_seconds())
    assert create() == set()
    held.clock.sleep(60)
    assert create() == {wallet for _, wallet in wanted[2:]}
    assert create_within_limit(held.first, WEEK, [], Deadline(held.clock, 60)) == set()


def test_accounts_that_an_open_plan_creates_count_against_the_limit(world: World) -> None:
    """They are recorded on their users only when the week closes."""
    world.populate(6)
    world.genesis()
    close(world, *NAMES[:2])
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    store_of(world.first).set_rules(max_new_accounts_per_week=3)
    close(world, *NAMES[2:4])
    wanted = [(user_id_of(name), wallet_named(name)) for name in NAMES[2:4]]

    tried = create_within_limit(world.first, WEEK, wanted, Deadline(world.clock, 60))

    assert tried == {wanted[0][1]}


def test_a_hold_that_came_too_late_for_the_plan_makes_its_batch_void() -> None:
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR)
    plan_id = world.distribution().plan_id or ""
    rewards = world.first.store.rewards(plan_id, range(6))
    ordered = world.first.store.payout(plan_id, rewards[4].row.batch)
    assert ordered is not None
    world.first.store.order_void(ordered, "an order")
    for reward in (rewards[0], rewards[4]):
        world.first.store.hold(reward, "a doubt")

    planned = planned_week(world.first.store, WEEK)
    prepare_accounts(world.first, planned, Deadline(world.clock, 600))

    payouts = world.first.store.payouts_after(plan_id, "", 9)
    assert [p.void_reason for p in payouts if p.kind is PayoutKind.BATCH] == [
        "an operator holds a reward: a doubt",
        None,
        "an order",
    ]


def _has_account(world: World, wallet: str) -> bool:
    return world.ledger.token_account(token_address(wallet)) is not None


def test_a_plan_whose_accounts_are_not_all_made_in_time_goes_on_later(world: World) -> None:
    world.populate(6)
    world.genesis()
    close(world, *NAMES[:3])
    do(world.first, Job.PLAN, Job.ANCHOR)
    chain = chain_of(world.first)
    chain.accounts_per_transaction = 1
    world.ledger.holds_sends = True

    def deliver_one(method: str) -> None:
        if method == "statuses" and len(world.ledger.in_flight) == 3:
            world.ledger.deliver([min(world.ledger.in_flight)])

    chain.before = deliver_one
    planned = planned_week(world.first.store, WEEK)

    assert prepare_accounts(world.first, planned, Deadline(world.clock, 5)) == (1, False)
    assert world.distribution().stage is Stage.ANCHORED

    chain.before = lambda _: None
    world.ledger.holds_sends = False
    assert prepare_accounts(world.first, planned, Deadline(world.clock, 600)) == (2, True)


def test_accounts_of_several_rounds_are_counted_together(world: World) -> None:
    world.populate(6)
    world.genesis()
    close(world, *NAMES[:3])
    do(world.first, Job.PLAN, Job.ANCHOR)
    chain, rounds = chain_of(world.first), list[str]()
    chain.accounts_per_transaction = 1
    world.ledger.holds_sends = True

    def land_one_of_the_first_round(method: str) -> None:
        if method == "statuses" and len(world.ledger.in_flight) == 3:
            world.ledger.deliver([min(world.ledger.in_flight)])
        if method == "sign_account_creations":
            rounds.append(method)
            world.ledger.holds_sends = len(rounds) == 1

    chain.before = land_one_of_the_first_round
    planned = planned_week(world.first.store, WEEK)

    assert prepare_accounts(world.first, planned, Deadline(world.clock, 600)) == (3, True)
    assert len(rounds) == 2


@pytest.mark.parametrize("signature", ["1" * 88, "z" * 88])
def test_after_a_crash_only_accounts_that_are_still_missing_are_made(
    world: World, signature: str
) -> None:
    world.populate(6)
    world.genesis()
    close(world, *NAMES[:3])
    do(world.first, Job.PLAN, Job.ANCHOR)
    world.first.store.record_transactions(
        [OtherTransaction(signature, WEEK, TransactionKind.ACCOUNTS, 1)]
    )
    world.open_account(NAMES[0])
    world.clock.sleep(20)

    planned = planned_week(world.first.store, WEEK)

    assert prepare_accounts(world.first, planned, Deadline(world.clock, 600)) == (2, True)
