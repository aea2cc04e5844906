"""A user changes the wallet: the new one gets its own token account, and rent cannot be farmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.lifecycle import Status
from worker.core.payout.chain import Recipient
from worker.core.payout.hold import (
    ACCOUNTS_PER_USER_MAX,
    CLOSED_ACCOUNT,
    TOO_MANY_WALLETS,
    UNRECORDED_WALLET,
)
from worker.core.payout.records import Reward
from worker.core.payout.single import NOT_MADE_YET
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.core.week import Week
from worker.services.payout.override import redirect_reward, wallet_of_today
from worker.services.payout.reconcile import reconcile
from worker.services.payout.release_singles import LOOK_SOON
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

MOVER = "mover"


@pytest.fixture
def town(world: World) -> World:
    """A user without a token account, among others who have one."""
    world.populate(2)
    world.add_user(MOVER, account=False)
    world.genesis()
    return world


def play(world: World, week: Week) -> Reward:
    """Pay a week in which the mover contributed; returns the mover's reward."""
    for name in ("user 0", MOVER):
        world.contribute(name, 100, week=week)
    world.clock.sleep(max(0.0, (week.end - world.clock.now()).total_seconds() + 3600))
    world.run()
    return reward_of(world, week)


def reward_of(world: World, week: Week) -> Reward:
    reward = world.first.store.reward(week, user_id_of(MOVER))
    assert reward is not None
    return reward


def move(world: World, name: str) -> str:
    wallet = wallet_named(name)
    store_of(world.first).set_user_fields(ObjectId(user_id_of(MOVER)), wallet_address=wallet)
    return wallet


def close_account(world: World, wallet: str) -> None:
    world.ledger.put_token_account(token_address(wallet), None)
    world.clock.sleep(20)


def retry(world: World, week: Week) -> Reward:
    retry_week(world.first.store, week)
    world.run()
    return reward_of(world, week)


def test_a_new_wallet_gets_its_own_account_and_is_paid(town: World) -> None:
    first = play(town, WEEK)
    new = move(town, "new wallet")
    second = play(town, WEEK.next())

    assert [each.status for each in (first, second)] == [Status.COMPLETED] * 2
    assert town.ledger.balance(new) == second.row.amount
    account = town.first.store.accounts([user_id_of(MOVER)], [])[user_id_of(MOVER)]
    assert account.account_wallets == (wallet_named(MOVER), new)
    assert reconcile(town.first, town.distribution(WEEK.next())).is_exact


def test_a_closed_account_is_not_made_again_and_going_back_to_it_makes_no_rent(
    town: World,
) -> None:
    play(town, WEEK)
    close_account(town, wallet_named(MOVER))
    second = play(town, WEEK.next())
    assert (second.status, second.reason) == (Status.PENDING, CLOSED_ACCOUNT)

    new = move(town, "new wallet")
    assert retry(town, WEEK.next()).status is Status.COMPLETED
    assert town.ledger.balance(new) == second.row.amount

    move(town, MOVER)
    third = play(town, WEEK.next().next())
    assert (third.status, third.reason) == (Status.PENDING, CLOSED_ACCOUNT)


def test_a_user_who_moves_each_week_gets_so_many_accounts_and_then_opens_their_own(
    town: World,
) -> None:
    week = WEEK
    for number in range(ACCOUNTS_PER_USER_MAX):
        move(town, f"wallet {number}")
        assert play(town, week).status is Status.COMPLETED
        week = week.next()
    last = move(town, "one more")
    held = play(town, week)
    assert (held.status, held.reason) == (Status.PENDING, TOO_MANY_WALLETS)

    redirect_reward(town.first, week, user_id_of(MOVER), last)
    assert retry(town, week).status is Status.COMPLETED
    assert town.ledger.balance(last) == held.row.amount


def test_an_account_made_before_wallets_were_recorded_is_named_and_a_redirect_pays(
    town: World,
) -> None:
    made = datetime(2024, 1, 1, tzinfo=UTC)
    user = ObjectId(user_id_of(MOVER))
    store_of(town.first).set_user_fields(user, token_account_created_at=made)
    held = play(town, WEEK)
    assert (held.status, held.reason) == (Status.PENDING, UNRECORDED_WALLET)

    target = wallet_of_today(town.first, user_id_of(MOVER))
    redirect_reward(town.first, WEEK, user_id_of(MOVER), target)
    assert retry(town, WEEK).status is Status.COMPLETED
    assert town.ledger.balance(target) == held.row.amount


class NewAccountsUnseen:
    """A chain whose endpoint does not show new token accounts yet."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def recipients(self, wallets: Sequence[str]) -> list[Recipient]:
        return [replace(each, account_exists=False) for each in self._chain.recipients(wallets)]


def test_a_redirect_waits_for_its_new_account_and_not_for_what_the_user_did(town: World) -> None:
    made = datetime(2024, 1, 1, tzinfo=UTC)
    user = ObjectId(user_id_of(MOVER))
    store_of(town.first).set_user_fields(user, token_account_created_at=made)
    assert play(town, WEEK).reason == UNRECORDED_WALLET
    target = wallet_of_today(town.first, user_id_of(MOVER))
    redirect_reward(town.first, WEEK, user_id_of(MOVER), target)

    retry_week(town.first.store, WEEK)
    unseen = replace(town.first, chain=NewAccountsUnseen(town.first.chain))
    do_work(unseen, Work(Job.SINGLES, WEEK), seconds=600)

    assert reward_of(town, WEEK).reason == NOT_MADE_YET
    assert find_work(town.first) == []
    town.clock.sleep(LOOK_SOON.total_seconds())
    town.run()
    assert reward_of(town, WEEK).status is Status.COMPLETED


def test_a_redirect_of_a_reward_that_already_has_its_payout_makes_the_account(
    town: World,
) -> None:
    store_of(town.first).set_user_fields(ObjectId(user_id_of(MOVER)), wallet_address=None)
    held = play(town, WEEK)
    assert held.reason == "no wallet address"
    old = move(town, MOVER)
    town.open_account(MOVER)
    town.clock.sleep(7 * 3600)
    # The payout is made, and the account is closed before it is signed.
    (work,) = [each for each in find_work(town.first) if each.job is Job.SINGLES]
    town.do(town.first, work)
    close_account(town, old)

    new = wallet_named("new wallet")
    redirect_reward(town.first, WEEK, user_id_of(MOVER), new)
    assert retry(town, WEEK).status is Status.COMPLETED
    assert town.ledger.balance(new) == held.row.amount


def test_a_new_wallet_beyond_the_weeks_limit_says_so_and_is_paid_later(town: World) -> None:
    store_of(town.first).set_rules(max_new_accounts_per_week=1)
    play(town, WEEK)
    town.add_user("other", account=False)
    town.contribute("other", 100, week=WEEK.next())
    new = move(town, "new wallet")
    play(town, WEEK.next())
    waits = [town.first.store.reward(WEEK.next(), user_id_of(name)) for name in (MOVER, "other")]
    assert OVER_ACCOUNT_CAP in [each.reason for each in waits if each]
    town.clock.sleep(15 * 24 * 3600)
    town.run()
    assert town.ledger.balance(new) > 0
