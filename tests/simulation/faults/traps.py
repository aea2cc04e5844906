"""Scenarios that each go wrong without one safeguard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bson import ObjectId

from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.chain.transactions import Account, Request, signature_of, token_address
from tests.fakes.store.state import Route
from tests.fakes.world import WEEK, World, chain_of, restarted, store_of
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from worker.core.errors import KontribError
from worker.core.money import BaseUnits
from worker.core.payout.records import Reward
from worker.core.week import Week
from worker.services.context import Context
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work


def do(context: Context, *jobs: Job, seconds: float = 600, week: Week = WEEK) -> None:
    for job in jobs:
        try:
            do_work(context, Work(job, week, 0, 100), seconds=seconds)
        except KontribError:
            return


def rival_of(world: World) -> Context:
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    return rival


def freeze(world: World, *, frozen: bool) -> None:
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    world.ledger.change_token_account(token_address(row.wallet), frozen=frozen)
    world.clock.sleep(20)


def two_operators_pay_at_once(world: World) -> None:
    rival = rival_of(world)
    for context in (world.first, rival):
        do(context, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    do(world.first, Job.PAY)
    do(rival, Job.PAY)


def forget_since(world: World, receipt: str) -> list[bytes]:
    """Drop the transaction that allocated a receipt by a fork, unless it is final."""
    address = chain_of(world.first).receipt_address(receipt)
    signature = world.ledger.allocated_by.get(address)
    if signature is None:
        return []
    blocks = world.ledger.slot - world.ledger.landed[signature].slot + 1
    return world.ledger.fork(blocks) if blocks <= world.ledger.finalized_lag_slots else []


def an_anchor_is_forked_away_and_another_one_lands(world: World) -> None:
    rival = rival_of(world)
    do(world.first, Job.PLAN)
    store_of(rival).set_user_fields(next(iter(store_of(rival).state.users)), wallet_address=None)
    do(rival, Job.PLAN)
    do(world.first, Job.ANCHOR)
    forget_since(world, f"{WEEK.id}/anchor")
    do(world.first, Job.ACCOUNTS, Job.PAY)
    sweep_until_closed(world, rival, world.first)


def a_void_is_forked_away_after_a_single_was_paid(world: World) -> None:
    chain_of(world.first).endpoints = [FakeEndpoint(lag_slots=10)]  # its blockhashes are older
    world.clock.sleep(60)
    do(world.first, Job.PLAN)
    freeze(world, frozen=True)
    do(world.first, Job.ANCHOR, Job.ACCOUNTS)
    rival = rival_of(world)
    do(world.first, Job.PAY, Job.SINGLES)
    do(world.first, Job.PAY, seconds=3)
    for wire in forget_since(world, f"{WEEK.id}/00000"):
        receipts = [receipt for receipt, _ in Request.read(wire).allocations]
        if any("/u/" in receipt for receipt in receipts):
            world.ledger.submit(signature_of(wire), wire)  # nodes had it still
    freeze(world, frozen=False)
    sweep_until_closed(world, rival)


def a_payment_is_forked_away(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY)
    forget_since(world, f"{WEEK.id}/00000")
    sweep_until_closed(world)


def somebody_edits_an_amount_in_the_database(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    stored = store_of(world.first).state.rewards[world.distribution().plan_id or ""]
    reward = stored[0].reward
    row = replace(reward.row, amount=BaseUnits(reward.row.amount * 2))
    stored[0] = replace(stored[0], reward=replace(reward, row=row))
    do(world.first, Job.PAY)


def a_wallet_is_removed_and_added_again(world: World) -> None:
    """The database held the reward while the wallet was missing."""
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    state = store_of(world.first).state
    stored = state.rewards[world.distribution().plan_id or ""]
    user = ObjectId(stored[1].reward.user_id)
    wallet = state.users[user]["wallet_address"]
    store_of(world.first).set_user_fields(user, wallet_address=None)
    stored[1] = replace(stored[1], route=Route.WAITING)
    store_of(world.first).set_user_fields(user, wallet_address=wallet)
    do(world.first, Job.SINGLES)
    do(world.first, Job.PAY)
    do(world.first, Job.PAY)


def the_database_loses_a_row_in_silence(world: World) -> None:
    store, write = store_of(world.first), store_of(world.first).write_rewards
    lost: list[Reward] = []

    def forgetful(rewards: Sequence[Reward], week: Week, now: object) -> None:
        if not lost:
            lost.append(rewards[-1])
            rewards = rewards[:-1]
        write(rewards, week, now)  # type: ignore[arg-type]

    store.write_rewards = forgetful  # type: ignore[method-assign]
    sweep_until_closed(world)


def the_database_is_lost_and_the_wiki_has_changed(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR)
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    state.contributions.pop(next(iter(state.contributions)))
    sweep_until_closed(world)


def a_planner_crashed_and_left_its_draft(world: World) -> None:
    rival = rival_of(world)
    store_of(rival).set_rules(min_tokens_per_user=1_650.0)
    do(rival, Job.PLAN)
    stray = store_of(rival).state.rewards
    store_of(world.first).state.rewards.update({k: dict(v) for k, v in stray.items()})
    sweep_until_closed(world)


def a_hold_is_written_at_the_last_moment(world: World) -> None:
    """The plan pays the reward with a batch, and is being anchored."""
    do(world.first, Job.PLAN)
    plan_id = world.distribution().plan_id or ""
    first, other = (
        world.first.store.rewards(plan_id, range(position, position + 1))[0] for position in (0, 2)
    )
    do(world.first, Job.ANCHOR)
    world.first.store.hold(first, "asked by mail")
    sweep_until_closed(world)
    assert world.ledger.balance(first.row.wallet) == 0, "a held reward was paid"
    assert world.ledger.balance(other.row.wallet) == other.row.amount


def transactions_are_readable_late(world: World) -> None:
    chain_of(world.first).history_lag_slots = 8
    sweep_until_closed(world)


def sol_is_used_up_after_the_anchor(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer) or Account()
    world.ledger.put_account(payer, replace(account, lamports=1_000))
    world.clock.sleep(20)
    do(world.first, Job.PAY, seconds=120)
    assert "at the fee payer" in (world.distribution().reason or ""), "no reason"
    world.fund()
    world.clock.sleep(600)
    sweep_until_closed(world)


def another_key_with_an_empty_database(world: World) -> None:
    sweep_until_closed(world)
    chain = chain_of(world.first)
    other = FakeChain(
        chain.ledger, source=chain.source, receipt_key="new", transfers_per_transaction=2
    )
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    sweep(restarted(replace(world.first, chain=other)))
