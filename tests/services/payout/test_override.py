"""The operators' actions: retry, hold, release, redirect, reconcile and rebuild."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.sweeping import sweep
from worker.core.lifecycle import Stage, Status
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.payout.records import Reward
from worker.core.plan.commitment import PlanDoesNotMatchRoot
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.context import Context, Deadline
from worker.services.payout import rebuild
from worker.services.payout.override import (
    AlreadyPaid,
    NoSuchReward,
    PaidWithItsBatch,
    WalletNotUsable,
    hold_reward,
    known_reward,
    redirect_reward,
    release_reward,
)
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.payout.reconcile import reconcile
from worker.services.plan.adopt import AnchoredPlanMissing
from worker.services.plan.anchor import Anchored, PlanIsStale, anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

POOL = 10_000 * ONE_TOKEN
FROZEN = "user 0"


@pytest.fixture
def voided(world: World) -> World:
    """A week in which the batch of `FROZEN` was voided and everybody else was paid."""
    world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    freeze(world, FROZEN, frozen=True)
    world.clock.sleep(20)
    world.run()
    return world


def freeze(world: World, name: str, *, frozen: bool) -> None:
    world.ledger.change_token_account(token_address(wallet_named(name)), frozen=frozen)
    world.clock.sleep(20)


def share(world: World, name: str) -> int:
    reward = world.first.store.reward(WEEK, user_id_of(name))
    assert reward is not None
    return reward.row.amount


def test_a_hundred_retries_move_nothing_twice(voided: World) -> None:
    names = [f"user {i}" for i in range(6)]
    before = voided.balances(names)
    for _ in range(100):
        retry_week(voided.first.store, WEEK)
        voided.run()
    assert voided.balances(names) == before


def test_a_redirected_reward_is_paid_to_its_new_wallet_and_recorded(voided: World) -> None:
    new = wallet_named("a new wallet")
    voided.ledger.put_token_account(token_address(new), TokenAccount(new))
    redirect_reward(voided.first, WEEK, user_id_of(FROZEN), new)
    voided.clock.sleep(20)
    voided.run()
    reward = voided.first.store.reward(WEEK, user_id_of(FROZEN))
    assert reward is not None
    assert (reward.status, reward.redirected_to) == (Status.COMPLETED, new)
    assert voided.ledger.balance(new) == share(voided, FROZEN)
    assert reconcile(voided.first, voided.distribution()).is_exact


def test_a_reward_cannot_be_redirected_to_what_is_no_wallet(voided: World) -> None:
    with pytest.raises(WalletNotUsable, match="wallet is not an address"):
        redirect_reward(voided.first, WEEK, user_id_of(FROZEN), "my savings")


def test_a_paid_reward_can_no_longer_be_changed(voided: World) -> None:
    with pytest.raises(AlreadyPaid):
        hold_reward(voided.first, WEEK, user_id_of("user 1"), "a doubt")


def test_a_reward_of_a_batch_that_is_not_void_cannot_be_redirected(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    with pytest.raises(PaidWithItsBatch, match="whose receipt is free"):
        redirect_reward(world.first, WEEK, user_id_of("user 1"), wallet_named("x"))


def test_a_user_without_reward_is_named(voided: World) -> None:
    with pytest.raises(NoSuchReward, match="nobody"):
        hold_reward(voided.first, WEEK, "nobody", "a doubt")


def test_a_held_single_is_not_sent_until_it_is_released(voided: World) -> None:
    hold_reward(voided.first, WEEK, user_id_of(FROZEN), "identity in doubt")
    freeze(voided, FROZEN, frozen=False)
    retry_week(voided.first.store, WEEK)
    voided.run()
    assert voided.ledger.balance(wallet_named(FROZEN)) == 0
    release_reward(voided.first, WEEK, user_id_of(FROZEN))
    retry_week(voided.first.store, WEEK)
    voided.run()
    assert voided.ledger.balance(wallet_named(FROZEN)) == share(voided, FROZEN)


def test_a_released_reward_is_paid_although_no_message_arrives(voided: World) -> None:
    """Redis is away: nobody wakes a retry, and the reward waited for its next look tomorrow."""
    hold_reward(voided.first, WEEK, user_id_of(FROZEN), "identity in doubt")
    freeze(voided, FROZEN, frozen=False)
    reward = known_reward(voided.first, WEEK, user_id_of(FROZEN))
    tomorrow = voided.clock.now() + timedelta(days=1)
    voided.first.store.set_aside(reward, Status.FAILED, "it is held", tomorrow)
    release_reward(voided.first, WEEK, user_id_of(FROZEN))
    sweep(voided.first)
    assert voided.ledger.balance(wallet_named(FROZEN)) == share(voided, FROZEN)


@pytest.mark.parametrize(
    "order",
    [
        lambda store, _: retry_week(store, WEEK),
        lambda store, reward: store.redirect(reward, wallet_named("a new wallet")),
        lambda store, reward: store.hold(reward, None),
    ],
    ids=["retry", "redirect", "release"],
)
def test_an_operators_fast_clock_delays_nothing(
    voided: World, order: Callable[[Store, Reward], object]
) -> None:
    """What an order makes due has no time, so a clock that is fast cannot put it off."""
    store, later = voided.first.store, voided.clock.now() + timedelta(hours=9)
    reward = known_reward(voided.first, WEEK, user_id_of(FROZEN))
    store.set_aside(reward, Status.PENDING, "later", later)
    order(store, reward)
    stored = store_of(voided.first).state.rewards[reward.plan_id][reward.position]
    assert stored.next_attempt_at is None


def test_reconcile_names_a_payment_that_the_database_does_not_know(voided: World) -> None:
    state = store_of(voided.first).state
    plan_id = voided.distribution().plan_id or ""
    paid = next(s for s in state.rewards[plan_id].values() if s.reward.status is Status.COMPLETED)
    lost = replace(paid.reward, status=Status.PENDING, signature=None)
    state.rewards[plan_id][lost.position] = replace(paid, reward=lost)
    result = reconcile(voided.first, voided.distribution())
    assert not result.is_exact
    assert result.mismatch == lost.row.amount


# --- rebuild ---------------------------------------------------------------------------------


def finished_week(world: World) -> list[str]:
    names = world.populate(8)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    world.run()
    return names


def claim_dates(world: World) -> list[datetime | None]:
    rewards = store_of(world.first).state.rewards[world.distribution().plan_id or ""]
    return [rewards[position].claimed_at for position in sorted(rewards)]


def test_a_finished_week_is_rebuilt_into_an_empty_database(world: World) -> None:
    store = store_of(world.first)
    names = world.populate(8)
    world.genesis()
    empty = store.snapshot()
    world.run()
    dates = claim_dates(world)
    world.clock.sleep(30 * 24 * 3600)
    store.restore(empty)
    rebuilt = rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    assert claim_dates(world) == dates
    assert None not in dates
    assert (rebuilt.amount, rebuilt.open) == (POOL, 0)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert sum(world.balances(names).values()) == POOL
    assert reconcile(world.first, world.distribution()).is_exact


def test_rebuilding_knows_what_was_paid_alone(voided: World) -> None:
    rebuilt = rebuild_week(voided.first, WEEK, Deadline(voided.clock, 600))
    assert rebuilt.amount == POOL - share(voided, FROZEN)
    voided.run()
    assert reconcile(voided.first, voided.distribution()).is_exact


def test_rebuilding_keeps_what_operators_decided(voided: World) -> None:
    hold_reward(voided.first, WEEK, user_id_of(FROZEN), "identity in doubt")
    rebuild_week(voided.first, WEEK, Deadline(voided.clock, 600))
    reward = voided.first.store.reward(WEEK, user_id_of(FROZEN))
    assert reward is not None
    assert reward.operator_hold == "identity in doubt"


@pytest.fixture
def held(voided: World) -> World:
    """The frozen account is thawed, and only an operator's hold keeps its reward."""
    hold_reward(voided.first, WEEK, user_id_of(FROZEN), "under investigation")
    freeze(voided, FROZEN, frozen=False)
    voided.clock.sleep(2 * 24 * 3600)
    voided.run()
    assert voided.balances([FROZEN]) == {FROZEN: 0}
    return voided


def operator_hold(world: World) -> str | None:
    reward = world.first.store.reward(WEEK, user_id_of(FROZEN))
    assert reward is not None
    return reward.operator_hold


@pytest.mark.parametrize("interrupted", ["adopt_anchored_plan", "anchor_week", "settle_from_chain"])
def test_a_hold_outlives_a_rebuild_that_ends_in_the_middle(
    held: World, interrupted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, interrupted, killed)
        with pytest.raises(KeyboardInterrupt):
            rebuild_week(held.first, WEEK, Deadline(held.clock, 600))
    held.clock.sleep(2 * 24 * 3600)
    held.run()

    assert held.balances([FROZEN]) == {FROZEN: 0}
    assert operator_hold(held) == "under investigation"


def test_of_two_rebuilds_the_newest_note_counts(
    held: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows from before the first, interrupted rebuild remain in the database, with older marks."""

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "settle_from_chain", killed)
        with pytest.raises(KeyboardInterrupt):
            rebuild_week(held.first, WEEK, Deadline(held.clock, 600))
    reward = held.first.store.reward(WEEK, user_id_of(FROZEN))
    assert reward is not None
    held.first.store.hold(reward, "the newest reason")

    rebuild_week(held.first, WEEK, Deadline(held.clock, 600))

    assert operator_hold(held) == "the newest reason"
    plans = store_of(held.first).state.rewards
    assert list(plans) == [held.distribution().plan_id]


def test_a_hold_outlives_a_plan_that_is_made_again(world: World) -> None:
    world.populate(3)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    plan_week(world.first, WEEK)
    hold_reward(world.first, WEEK, user_id_of("ghost"), "under investigation")
    chain_of(world.first).transfers_per_transaction = 2
    with contextlib.suppress(PlanIsStale):
        world.run()
    world.clock.sleep(600)
    world.run()

    reward = world.first.store.reward(WEEK, user_id_of("ghost"))
    assert reward is not None
    assert world.distribution().stage is Stage.COMPLETED
    assert reward.operator_hold == "under investigation"


def test_a_hold_holds_while_a_worker_sweeps_during_a_rebuild(
    held: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anchor_and_sweep(context: Context, week: Week, deadline: Deadline) -> Anchored:
        anchored = anchor_week(context, week, deadline)
        held.run()
        return anchored

    monkeypatch.setattr(rebuild, "anchor_week", anchor_and_sweep)
    rebuild_week(held.first, WEEK, Deadline(held.clock, 600))
    held.run()

    assert held.balances([FROZEN]) == {FROZEN: 0}
    assert operator_hold(held) == "under investigation"


def test_without_the_published_plan_what_was_paid_is_recovered_by_wallet(world: World) -> None:
    names = finished_week(world)
    world.archive.files.clear()
    with pytest.raises(AnchoredPlanMissing, match=r"memory://2024-12-09/"):
        rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    recovered = recover_by_wallet(world.first, WEEK)
    paid = {entry.transfer.wallet: entry.transfer.amount for entry in recovered.paid}
    assert paid == {wallet_named(n): amount for n, amount in world.balances(names).items()}
    assert recovered.missing == share(world, "ghost")
    assert recovered.unreadable_batches == 0
    assert world.distribution().stage is Stage.COMPLETED


def test_a_changed_published_plan_is_refused_before_anything_is_forgotten(world: World) -> None:
    finished_week(world)
    ((path, content),) = world.archive.files.items()
    world.archive.files[path] = content.replace(b'"points":"101"', b'"points":"102"')
    with pytest.raises(PlanDoesNotMatchRoot):
        rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    assert world.distribution().stage is Stage.COMPLETED


def test_a_database_that_lost_rewards_is_rebuilt_and_goes_on(world: World) -> None:
    names = world.populate(9)
    world.genesis()
    plan_week(world.first, WEEK)
    world.do(world.first, Work(Job.ANCHOR, WEEK))
    world.do(world.first, Work(Job.ACCOUNTS, WEEK))
    world.do(world.first, Work(Job.PAY, WEEK, 0, 2))
    rows = store_of(world.first).state.rewards[world.distribution().plan_id or ""]
    del rows[0]
    rows[8] = replace(
        rows[8],
        reward=replace(rows[8].reward, row=replace(rows[8].reward.row, amount=BaseUnits(POOL))),
    )
    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    world.run()
    assert sum(world.balances(names).values()) == POOL
    assert world.distribution().stage is Stage.COMPLETED
