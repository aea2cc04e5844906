"""Operators read why a reward cannot be changed, and whose reward it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.payout.hold import NO_WALLET
from worker.core.plan.receipts import ReceiptState
from worker.services.payout.override import (
    AlreadyPaid,
    PaidWithItsBatch,
    WalletNotUsable,
    hold_reward,
    redirect_reward,
    release_reward,
    wallet_of_today,
)
from worker.services.week.story import Job, Work

HELD, PAID = user_id_of("ghost"), user_id_of("user 0")
A_BATCH = f"{WEEK.id}/00000"


@pytest.fixture
def closed(world: World) -> World:
    """A closed week with one reward that is held for want of a wallet."""
    world.populate(3)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    world.run()
    return world


def test_a_paid_reward_names_its_user_and_its_signature(closed: World) -> None:
    reward = closed.first.store.reward(WEEK, PAID)
    assert reward is not None
    with pytest.raises(AlreadyPaid) as caught:
        hold_reward(closed.first, WEEK, PAID, "asked by mail")
    assert str(caught.value) == (
        f"{PAID}'s reward of 2024-W50 was paid already by {reward.signature}."
    )


def test_a_reward_that_somebody_else_paid_has_no_signature_here(closed: World) -> None:
    rival = closed.add_operator()
    store_of(rival).restore(store_of(closed.first).snapshot())
    closed.open_account("ghost")
    user = ObjectId(HELD)
    store_of(rival).set_user_fields(user, wallet_address=wallet_named("ghost"))
    closed.clock.sleep(24 * 3600)
    closed.run(rival)

    with pytest.raises(AlreadyPaid, match=rf"^{HELD}'s reward of 2024-W50 was paid already\.$"):
        hold_reward(closed.first, WEEK, HELD, "asked by mail")


@pytest.mark.parametrize("act", [release_reward, lambda *args: hold_reward(*args, "a reason")])
def test_a_reward_of_an_open_batch_names_the_batch_and_its_receipt(world: World, act) -> None:
    world.populate(3)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR):
        world.do(world.first, Work(job, WEEK))

    with pytest.raises(PaidWithItsBatch) as caught:
        act(world.first, WEEK, PAID)
    assert str(caught.value).startswith(
        f"{PAID}'s reward of 2024-W50 is paid with batch {A_BATCH}, whose receipt is free."
    )


def test_releasing_a_reward_that_is_not_held_asks_the_chain(closed: World) -> None:
    asked: list[str] = []
    chain = chain_of(closed.first)

    def receipts(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        asked.extend(ids)
        return FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)

    chain.receipts = receipts  # type: ignore[method-assign]

    assert release_reward(closed.first, WEEK, HELD).user_id == HELD
    assert [each.split("/")[1] for each in asked] == ["u"]
    asked.clear()
    hold_reward(closed.first, WEEK, HELD, "asked by mail")
    asked.clear()
    assert release_reward(closed.first, WEEK, HELD).user_id == HELD
    assert asked == []


def test_a_paid_reward_that_is_on_hold_is_not_released_in_silence(closed: World) -> None:
    store = store_of(closed.first)
    plan = store.state.rewards[closed.distribution().plan_id or ""]
    (stored,) = [each for each in plan.values() if each.reward.user_id == PAID]
    store.state.put_reward(stored, operator_hold="asked by mail")

    with pytest.raises(AlreadyPaid):
        release_reward(closed.first, WEEK, PAID)


def test_a_wallet_that_cannot_be_paid_is_named(closed: World) -> None:
    wallet = wallet_named("user 1")
    closed.ledger.change_token_account(token_address(wallet), frozen=True)
    closed.clock.sleep(20)

    with pytest.raises(WalletNotUsable) as caught:
        redirect_reward(closed.first, WEEK, HELD, wallet)
    assert str(caught.value) == (
        f"{wallet} cannot be paid: token account is frozen. Give another wallet."
    )


@pytest.mark.parametrize(
    ("wallet", "why"),
    [
        (None, NO_WALLET),
        (7, "wallet is not an address: it is a number, not text"),
        (["x"], "wallet is not an address: it is a list, not text"),
    ],
)
def test_a_user_without_a_wallet_is_named(closed: World, wallet: object, why: str) -> None:
    store_of(closed.first).set_user_fields(ObjectId(HELD), wallet_address=wallet)

    with pytest.raises(WalletNotUsable) as caught:
        wallet_of_today(closed.first, HELD)
    assert str(caught.value) == (
        f"The wallet of {HELD} cannot be paid: {why}. Give another wallet."
    )


def test_users_who_are_unknown_or_stored_twice_are_named(closed: World) -> None:
    store_of(closed.first).add_user({"_id": PAID, "wallet_address": wallet_named("user 2")})

    for user, why in (("nobody", NO_WALLET), (PAID, "several user documents have this id")):
        with pytest.raises(WalletNotUsable, match=f"^The wallet of {user} cannot be paid: {why}"):
            wallet_of_today(closed.first, user)
    assert wallet_of_today(closed.first, user_id_of("user 1")) == wallet_named("user 1")
