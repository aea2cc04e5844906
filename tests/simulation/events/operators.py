"""Events of the operators: funds, holds, redirected wallets, lost and restored databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import chain_of, store_of, user_id_of
from tests.simulation.faults.moods import SkewedClock
from tests.simulation.town import USERS, Town
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.override import (
    hold_reward,
    redirect_reward,
    release_reward,
    void_batch,
)
from worker.services.week.unblock import retry_week


def run_short(town: Town, number: int) -> None:
    chain = chain_of(town.operators[0])
    if number % 2:
        town.world.ledger.change_token_account(chain.source, amount=number * ONE_TOKEN)
    else:
        payer = town.world.ledger.account(chain.fee_payer)
        assert payer is not None
        poor = replace(payer, lamports=number * 100_000)
        town.world.ledger.put_account(chain.fee_payer, poor)


def top_up(town: Town, number: int) -> None:
    town.world.fund()


def pause(town: Town, number: int) -> None:
    store = town.operators[number % 2].store
    store.pause("the auditor calls" if number // 2 % 2 else None)


def hold(town: Town, number: int) -> None:
    operator, week, user = _reward(town, number)
    hold_reward(operator, week, user, "asked by mail", void_batch=number % 3 == 0)


def void(town: Town, number: int) -> None:
    """An operator orders a batch to be void, which may be paid at this moment."""
    week = town.weeks[number // 2 % len(town.weeks)]
    void_batch(town.operators[number % 2], week, number // 4 % 4, "asked by mail")


def release(town: Town, number: int) -> None:
    release_reward(*_reward(town, number))


def redirect(town: Town, number: int) -> None:
    operator, week, user = _reward(town, number)
    wallet = wallet_named(f"{user} redirected")
    town.world.ledger.put_token_account(token_address(wallet), TokenAccount(wallet))
    town.world.clock.sleep(10)
    town.inputs.wallets[user].add(wallet)
    redirect_reward(operator, week, user, wallet)


def retry(town: Town, number: int) -> None:
    for week in town.weeks:
        retry_week(town.operators[number % 2].store, week)


def set_clock(town: Town, number: int) -> None:
    """A machine's clock is wrong: by less than the tolerance, or by days, in both directions."""
    clock = town.operators[number % 2].clock
    assert isinstance(clock, SkewedClock)
    day = 24 * 3600
    skews = (0, 280, -280, 400, 3 * day, -3 * day, 8 * day)
    clock.skew = timedelta(seconds=skews[number // 2 % len(skews)])


def lose_database(town: Town, number: int) -> None:
    state = store_of(town.operators[number % 2]).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()


def back_up(town: Town, number: int) -> None:
    town.backups.append((number % 2, store_of(town.operators[number % 2]).snapshot()))


def put_back(town: Town, number: int) -> None:
    """An operator restores an old backup, including the wiki's own collections."""
    if town.backups:
        operator, state = town.backups[number % len(town.backups)]
        store_of(town.operators[operator]).restore(state)


def _reward(town: Town, number: int) -> tuple[Context, Week, str]:
    week = town.weeks[number // 2 % len(town.weeks)]
    return town.operators[number % 2], week, user_id_of(USERS[number % len(USERS)])
