"""Operators hold planned rewards, and make batches void that no try can pay."""

from __future__ import annotations

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.sweeping import assert_clean, sweep
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import ONE_TOKEN
from worker.core.payout.backoff import ATTEMPTS_MAX, NEVER
from worker.core.payout.chain import AccountProblem
from worker.core.payout.hold import HELD_BY_OPERATOR
from worker.core.payout.records import Payout, PayoutKind, Reward
from worker.core.plan.receipts import ReceiptState
from worker.services.payout.override import (
    AlreadyPaid,
    NoSuchBatch,
    NotOpen,
    PaidWithItsBatch,
    hold_reward,
    release_reward,
    void_batch,
)
from worker.services.payout.reconcile import reconcile
from worker.services.plan.anchor import PlanIsStale
from worker.services.plan.plan_week import plan_again, plan_week
from worker.services.plan.seal import NotAnchored
from worker.services.week.status import obstacles
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

POOL = 10_000 * ONE_TOKEN
USER = "user 1"


@pytest.fixture
def planned(world: World) -> World:
    world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    return world


def reward(world: World, name: str = USER) -> Reward:
    found = world.first.store.reward(WEEK, user_id_of(name))
    assert found is not None
    return found


def batch_of(world: World, name: str = USER) -> Payout:
    found = world.first.store.payout(
        world.distribution().plan_id or "", reward(world, name).row.batch
    )
    assert found is not None
    return found


def run_to(world: World, *jobs: Job) -> None:
    for job in jobs:
        world.do(world.first, Work(job, WEEK, 0, 100))


def go_on(world: World) -> None:
    """Sweep for two days, with the tries of held rewards."""
    for _ in range(5):
        world.clock.sleep(12 * 3600)
        sweep(world.first)


def paid_to(world: World, name: str) -> int:
    return world.ledger.balance(wallet_named(name))


# --- holds on planned rewards ------------------------------------------------------------------


def test_a_hold_before_the_anchor_makes_the_plan_again_with_the_reward_held(
    planned: World,
) -> None:
    root = planned.distribution().root
    held = hold_reward(planned.first, WEEK, user_id_of(USER), "identity in doubt")
    assert held.consequence == "The plan is made again, with this reward held."
    go_on(planned)

    assert planned.distribution().stage is Stage.COMPLETED
    assert planned.distribution().root != root
    assert paid_to(planned, USER) == 0
    found = reward(planned)
    assert (found.row.batch, found.reason) == ("", HELD_BY_OPERATOR)
    assert found.operator_hold == "identity in doubt"
    batches = planned.first.store.batch_counts(planned.distribution().plan_id or "")
    assert batches[PayoutStatus.VOID] == 0
    assert_clean(planned)

    release_reward(planned.first, WEEK, user_id_of(USER))
    retry_week(planned.first.store, WEEK)
    go_on(planned)
    assert paid_to(planned, USER) == found.row.amount
    assert_clean(planned)


def test_a_hold_on_a_reward_that_the_plan_holds_already_needs_no_new_plan(world: World) -> None:
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    plan_week(world.first, WEEK)
    root = world.distribution().root
    held = hold_reward(world.first, WEEK, user_id_of("ghost"), "a doubt")
    assert held.consequence == "The plan holds it already. It is not paid before its release."
    assert world.distribution().root == root
    run_to(world, Job.ANCHOR)
    held = hold_reward(world.first, WEEK, user_id_of("ghost"), "another doubt")
    assert held.consequence == "Nothing is sent before its release."


def test_a_hold_is_kept_by_a_plan_that_would_pay_the_reward_with_a_batch(world: World) -> None:
    """The reward was held without a wallet. The user has one when the plan is made again."""
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    plan_week(world.first, WEEK)
    hold_reward(world.first, WEEK, user_id_of("ghost"), "a doubt")
    for user_id in store_of(world.first).state.users:
        if str(user_id) == user_id_of("ghost"):
            store_of(world.first).set_user_fields(user_id, wallet_address=wallet_named("ghost"))
    world.open_account("ghost")
    world.clock.sleep(20)
    plan_again(world.first, WEEK)
    go_on(world)
    assert paid_to(world, "ghost") == 0
    assert reward(world, "ghost").operator_hold == "a doubt"


def test_a_released_hold_stays_released_when_the_plan_is_made_again(planned: World) -> None:
    hold_reward(planned.first, WEEK, user_id_of(USER), "a doubt")
    plan_week(planned.first, WEEK)
    release_reward(planned.first, WEEK, user_id_of(USER))
    plan_again(planned.first, WEEK)
    go_on(planned)
    assert reward(planned).row.batch != ""
    assert paid_to(planned, USER) == reward(planned).row.amount


def test_a_mark_that_comes_just_before_the_anchor_makes_the_plan_stale(planned: World) -> None:
    """Another process has written the mark, and has not reset the week yet."""
    planned.first.store.hold(reward(planned), "a doubt")
    with pytest.raises(PlanIsStale, match="an operator holds a reward"):
        run_to(planned, Job.ANCHOR)
    go_on(planned)
    assert planned.distribution().stage is Stage.COMPLETED
    assert paid_to(planned, USER) == 0


def test_a_mark_that_comes_too_late_for_the_plan_voids_its_batch(planned: World) -> None:
    """The anchor was signed before the mark was written."""
    run_to(planned, Job.ANCHOR)
    planned.first.store.hold(reward(planned), "a doubt")
    go_on(planned)

    assert planned.distribution().stage is Stage.COMPLETED
    assert batch_of(planned).status is PayoutStatus.VOID
    assert batch_of(planned).void_reason == "an operator holds a reward: a doubt"
    assert paid_to(planned, USER) == 0
    total = sum(planned.balances([f"user {i}" for i in range(6)]).values())
    assert total == POOL - reward(planned).row.amount
    assert_clean(planned)


def test_after_the_anchor_a_hold_names_what_it_can_do_and_does_it_when_asked(
    planned: World,
) -> None:
    run_to(planned, Job.ANCHOR, Job.ACCOUNTS)
    user = user_id_of(USER)
    with pytest.raises(PaidWithItsBatch) as refused:
        hold_reward(planned.first, WEEK, user, "a doubt")
    assert str(refused.value) == (
        f"{user}'s reward of 2024-W50 is paid with batch {reward(planned).row.batch}, whose "
        "receipt is free. Only held rewards and rewards of void batches can be changed. "
        f'`kontrib hold {user} 2024-W50 --void-batch --reason "why"` makes the batch void, if no '
        "payment of it lands before, and pays its other rewards alone. To stop everything use "
        "`kontrib pause`."
    )
    assert reward(planned).operator_hold is None

    held = hold_reward(planned.first, WEEK, user, "a doubt", void_batch=True)
    assert held.consequence == (
        f"Batch {reward(planned).row.batch} becomes void, and its other rewards are paid alone. A "
        "payment of the batch that is under way may still land first."
    )
    go_on(planned)

    assert planned.distribution().stage is Stage.COMPLETED
    assert paid_to(planned, USER) == 0
    assert reward(planned).status is Status.PENDING
    assert reconcile(planned.first, planned.distribution()).is_exact
    assert_clean(planned)


def test_a_hold_on_a_signed_single_says_that_it_may_still_land(planned: World) -> None:
    run_to(planned, Job.ANCHOR, Job.ACCOUNTS)
    void_batch(planned.first, WEEK, batch_of(planned).index, "a doubt")
    sweep_until_single(planned)
    held = hold_reward(planned.first, WEEK, user_id_of(USER), "a doubt")
    assert held.consequence.startswith("A payment that was signed at 2024-")
    assert held.consequence.endswith(
        " UTC may still land within minutes. After that nothing is sent before the release."
    )
    go_on(planned)
    assert paid_to(planned, USER) == 0
    assert reward(planned).status is not Status.COMPLETED


def sweep_until_single(world: World) -> None:
    """The singles are signed and sent, and never land."""
    run_to(world, Job.PAY, Job.SINGLES)
    world.ledger.holds_sends = True
    world.do(world.first, Work(Job.PAY, WEEK, 0, 100))
    world.ledger.in_flight.clear()
    world.ledger.holds_sends = False
    world.ledger.expire()
    signed = [p for p in singles(world) if p.attempt is not None]
    assert len(signed) == 3


def singles(world: World) -> list[Payout]:
    payouts = world.first.store.payouts_after(world.distribution().plan_id or "", "", 100)
    return [payout for payout in payouts if payout.kind is PayoutKind.SINGLE]


# --- batches that no try can pay ---------------------------------------------------------------


def refuse_credits(world: World, name: str = USER) -> None:
    world.ledger.change_token_account(token_address(wallet_named(name)), refuses_credits=True)
    world.clock.sleep(20)


def test_an_account_that_shows_its_refusal_is_held_or_voids_its_batch(planned: World) -> None:
    account = token_address(wallet_named(USER))
    planned.ledger.change_token_account(account, confidential_only=True)
    planned.clock.sleep(20)
    go_on(planned)
    assert planned.distribution().stage is Stage.COMPLETED
    assert reward(planned).reason == AccountProblem.CONFIDENTIAL_ONLY.value


def test_a_batch_that_is_refused_for_ever_offers_the_void_that_ends_it(planned: World) -> None:
    refuse_credits(planned)
    for _ in range(2 * ATTEMPTS_MAX):
        sweep(planned.first)
        planned.clock.sleep(12 * 3600)
    batch = batch_of(planned)
    assert batch.next_attempt_at == NEVER
    offer = f"`kontrib void 2024-W50 {batch.index} --reason"
    (obstacle,) = obstacles(planned.first.store, WEEK, 5)
    assert offer in obstacle.reason
    assert planned.distribution().stopped
    assert offer in (planned.distribution().reason or "")

    void_batch(planned.first, WEEK, batch.index, "a recipient refuses the tokens")
    retry_week(planned.first.store, WEEK)
    go_on(planned)

    assert planned.distribution().stage is Stage.COMPLETED
    assert batch_of(planned).status is PayoutStatus.VOID
    total = sum(planned.balances([f"user {i}" for i in range(6)]).values())
    assert total == POOL - reward(planned).row.amount
    assert_clean(planned)


def test_a_void_ends_a_batch_whose_payment_lands_nevertheless_as_paid(planned: World) -> None:
    """The batch is paid or void, never both."""
    run_to(planned, Job.ANCHOR, Job.ACCOUNTS)
    planned.ledger.holds_sends = True
    planned.do(planned.first, Work(Job.PAY, WEEK, 0, 100))
    void_batch(planned.first, WEEK, 0, "a doubt")
    planned.ledger.holds_sends = False
    planned.ledger.deliver()
    go_on(planned)

    counts = planned.first.store.batch_counts(planned.distribution().plan_id or "")
    assert (counts[PayoutStatus.PAID], counts[PayoutStatus.VOID]) == (2, 0) or counts[
        PayoutStatus.VOID
    ] == 1
    assert sum(planned.balances([f"user {i}" for i in range(6)]).values()) == POOL
    assert_clean(planned)


def test_only_an_open_batch_of_an_anchored_plan_can_be_made_void(planned: World) -> None:
    with pytest.raises(NotAnchored):
        void_batch(planned.first, WEEK, 0, "a doubt")
    go_on(planned)
    with pytest.raises(NoSuchBatch, match="it has 2 batches, numbered from 0"):
        void_batch(planned.first, WEEK, 2, "a doubt")
    with pytest.raises(NotOpen, match="is paid on chain"):
        void_batch(planned.first, WEEK, 0, "a doubt")
    with pytest.raises(AlreadyPaid):
        hold_reward(planned.first, WEEK, user_id_of(USER), "a doubt", void_batch=True)


def test_a_batch_that_the_database_has_resolved_or_lost_is_not_made_void(planned: World) -> None:
    run_to(planned, Job.ANCHOR, Job.ACCOUNTS)
    state = store_of(planned.first).state
    stored = state.payouts[planned.distribution().plan_id or ""]
    first, second = sorted(key for key, each in stored.items() if each.payout.kind.value == "batch")
    state.put_payout(stored[first], status=PayoutStatus.PAID)
    del stored[second]
    with pytest.raises(NotOpen, match=f"Batch {first} is resolved, so it is not made void"):
        void_batch(planned.first, WEEK, 0, "a doubt")
    with pytest.raises(NotOpen, match=f"Batch {second} is missing in the database, so"):
        void_batch(planned.first, WEEK, 1, "a doubt")


def test_nothing_is_made_void_while_an_endpoint_is_silent(planned: World) -> None:
    run_to(planned, Job.ANCHOR, Job.ACCOUNTS)
    chain_of(planned.first).receipts = lambda ids, **_: dict.fromkeys(  # type: ignore[method-assign]
        ids, ReceiptState.UNKNOWN
    )
    with pytest.raises(NotOpen, match="is unknown on chain"):
        void_batch(planned.first, WEEK, 0, "a doubt")
    with pytest.raises(NotOpen):
        hold_reward(planned.first, WEEK, user_id_of(USER), "a doubt", void_batch=True)
    assert reward(planned).operator_hold is None
