"""A reward that cannot be paid alone yet says why, and when it is looked at again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.store.state import StoredReward
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import Status
from worker.core.payout.hold import CLOSED_ACCOUNT, NO_WALLET, UNRECORDED_WALLET, USER_TWICE
from worker.core.payout.single import HOLD_EXPIRED, NOT_MADE_YET
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.services.context import Deadline
from worker.services.payout.override import redirect_reward, void_batch
from worker.services.payout.release_singles import (
    LOOK_AGAIN,
    LOOK_SOON,
    Release,
    release_singles,
)
from worker.services.plan.funds import FundsShort
from worker.services.plan.planned_week import planned_week
from worker.services.week.story import Job

GHOSTS = ["ghost 0", "ghost 1", "ghost 2"]


@pytest.fixture
def world(world: World) -> World:
    """The rewards of three ghosts are held: they have no wallet when the week is planned."""
    world.populate(2)
    for number, name in enumerate(GHOSTS):
        world.add_user(name, wallet=None)
        world.contribute(name, 100 + number)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    return world


def fields(world: World, name: str, **values: object) -> None:
    store_of(world.first).set_user_fields(ObjectId(user_id_of(name)), **values)


def give_wallets(world: World, *names: str) -> None:
    """Wallets without token accounts."""
    for name in names:
        fields(world, name, wallet_address=wallet_named(name))
    world.clock.sleep(20)


def release(world: World, *, seconds: float = 60) -> Release:
    planned = planned_week(world.first.store, WEEK)
    return release_singles(world.first, planned, Deadline(world.clock, seconds))


def stored(world: World, name: str) -> StoredReward:
    rewards = store_of(world.first).state.rewards[world.distribution().plan_id or ""].values()
    return next(each for each in rewards if each.reward.user_id == user_id_of(name))


def seen(world: World, name: str) -> tuple[Status, str | None, timedelta]:
    """Status and reason of a reward, and the pause until its next look."""
    found = stored(world, name)
    assert found.next_attempt_at is not None
    return found.reward.status, found.reward.reason, found.next_attempt_at - world.clock.now()


def test_an_account_is_made_and_its_reward_is_released_at_once(world: World) -> None:
    give_wallets(world, "ghost 0")

    found = release(world)

    assert (found.payable, dict(found.waiting)) == (1, {NO_WALLET: 2})
    assert seen(world, "ghost 1") == (Status.PENDING, NO_WALLET, LOOK_AGAIN)


def test_without_sol_only_the_rewards_that_need_an_account_wait_for_it(world: World) -> None:
    give_wallets(world, "ghost 0")
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=1_000_000))
    world.open_account("ghost 1")
    give_wallets(world, "ghost 1")

    with pytest.raises(FundsShort) as caught:
        release(world)

    assert seen(world, "ghost 0") == (Status.PENDING, str(caught.value), LOOK_SOON)
    assert seen(world, "ghost 2") == (Status.PENDING, NO_WALLET, LOOK_AGAIN)
    assert len(world.first.store.unpaid_alone(world.distribution().plan_id or "", 9)) == 3
    singles = world.first.store.payouts_after(world.distribution().plan_id or "", "", 99)
    assert [p.wallet for p in singles if "/u/" in p.id] == [wallet_named("ghost 1")]


def test_an_account_that_has_not_landed_is_looked_for_soon(world: World) -> None:
    store_of(world.first).set_rules(max_new_accounts_per_week=1)
    give_wallets(world, "ghost 0", "ghost 1")
    world.ledger.holds_sends = True

    found = release(world, seconds=5)

    assert dict(found.waiting) == {NOT_MADE_YET: 1, OVER_ACCOUNT_CAP: 1, NO_WALLET: 1}
    pauses = {reason: pause for _, reason, pause in (seen(world, name) for name in GHOSTS)}
    assert pauses[NOT_MADE_YET] <= LOOK_SOON
    assert pauses[OVER_ACCOUNT_CAP] > LOOK_AGAIN - LOOK_SOON


def test_an_account_that_its_owner_closed_is_not_made_again(world: World) -> None:
    give_wallets(world, "ghost 0", "ghost 1")
    made = [(user_id_of("ghost 0"), wallet_named("ghost 0"))]
    world.first.store.mark_accounts_made(made, world.clock.now())
    fields(world, "ghost 1", token_account_created_at=world.clock.now())

    found = release(world)

    assert dict(found.waiting) == {CLOSED_ACCOUNT: 1, UNRECORDED_WALLET: 1, NO_WALLET: 1}


@pytest.mark.parametrize("lands", [True, False])
def test_an_operators_redirect_gets_an_account(world: World, lands: bool) -> None:
    fields(world, "ghost 0", token_account_created_at=world.clock.now())
    redirect_reward(world.first, WEEK, user_id_of("ghost 0"), wallet_named("elsewhere"))
    world.ledger.holds_sends = not lands

    found = release(world, seconds=5)

    assert (found.payable, found.waiting[NOT_MADE_YET]) == ((1, 0) if lands else (0, 1))


def test_a_user_with_two_documents_waits(world: World) -> None:
    store_of(world.first).add_user({"_id": user_id_of("ghost 0"), "wallet_address": "another"})

    assert release(world).waiting[USER_TWICE] == 1


def test_only_held_rewards_stay_pending(world: World) -> None:
    store_of(world.first).set_rules(hold_weeks=4)
    void_batch(world.first, WEEK, 0, "a doubt")
    do(world.first, Job.PAY)
    world.ledger.put_token_account(token_address(wallet_named("user 0")), None)
    made = [(user_id_of("user 0"), wallet_named("user 0"))]
    world.first.store.mark_accounts_made(made, world.clock.now())
    world.clock.sleep(20)

    found = release(world)

    assert (found.payable, dict(found.waiting)) == (1, {CLOSED_ACCOUNT: 1, NO_WALLET: 3})
    assert seen(world, "user 0") == (Status.FAILED, CLOSED_ACCOUNT, LOOK_AGAIN)
    assert seen(world, "ghost 0") == (Status.PENDING, NO_WALLET, LOOK_AGAIN)


def test_a_held_reward_fails_once_its_hold_has_expired() -> None:
    world = World()
    store_of(world.first).set_rules(hold_weeks=2)
    world.add_user("ghost 0", wallet=None)
    world.contribute("ghost 0", 100)
    world.populate(1)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    world.clock.sleep(timedelta(weeks=2, hours=2).total_seconds())

    assert dict(release(world).waiting) == {HOLD_EXPIRED: 1}
    assert seen(world, "ghost 0")[:2] == (Status.FAILED, HOLD_EXPIRED)
