"""Waits after the anchor: each has a reason, and ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.chain.chain import FakeChain, FakeEndpoint, wallet_named
from tests.fakes.chain.transactions import Account
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.sweeping import assert_clean, sweep
from worker.core.errors import ExitCode
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import PayoutKind
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Deadline
from worker.services.payout.override import void_batch
from worker.services.payout.token_accounts import create_token_accounts
from worker.services.plan.funds import FundsShort
from worker.services.plan.plan_week import plan_week
from worker.services.week.outcome import verdict
from worker.services.week.status import obstacles
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN


@pytest.fixture
def anchored(world: World) -> World:
    """A week of three batches, with two missing token accounts."""
    world.populate(5)
    for name in ("new one", "new two"):
        world.add_user(name, account=False)
        world.contribute(name, 100)
    world.genesis()
    plan_week(world.first, WEEK)
    world.do(world.first, Work(Job.ANCHOR, WEEK))
    return world


def set_lamports(world: World, lamports: int) -> None:
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer) or Account()
    world.ledger.put_account(payer, replace(account, lamports=lamports))
    world.clock.sleep(20)


def set_tokens(world: World, amount: int) -> None:
    world.ledger.change_token_account(chain_of(world.first).source, amount=amount)
    world.clock.sleep(20)


def assert_waits(world: World, *texts: str) -> None:
    """The week shows what to send where, and is not stopped."""
    reason = world.distribution().reason or ""
    assert reason.startswith("FundsShort: ")
    for text in texts:
        assert text in reason
    assert not world.distribution().stopped
    found = verdict(world.first.store, WEEK, world.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.NOT_READY


def assert_ends_by_itself(world: World) -> None:
    for _ in range(4):
        world.clock.sleep(300)
        sweep(world.first)
    assert world.distribution().stage is Stage.COMPLETED
    names = [*(f"user {i}" for i in range(5)), "new one", "new two"]
    assert sum(world.balances(names).values()) == POOL
    assert_clean(world)


def test_without_sol_for_token_accounts_the_week_names_address_and_amount(
    anchored: World,
) -> None:
    set_lamports(anchored, 1_000_000)
    assert sweep(anchored.first) == ["FundsShort"]
    assert anchored.distribution().stage is Stage.ANCHORED
    assert_waits(anchored, "SOL (", " lamports) at the fee payer authority", "Token accounts")

    set_lamports(anchored, 10**9)
    assert_ends_by_itself(anchored)


def test_sol_that_is_used_up_in_the_middle_pays_what_it_can_and_names_the_rest(
    anchored: World,
) -> None:
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    costs = chain_of(anchored.first).costs()
    set_lamports(anchored, 2 * costs.receipt_rent + costs.fee_per_signature)
    assert "FundsShort" in sweep(anchored.first)

    plan_id = anchored.distribution().plan_id or ""
    assert anchored.first.store.progress(plan_id).signatures == 2  # the anchor and one batch
    short = 2 * (costs.receipt_rent + costs.fee_per_signature)
    assert_waits(anchored, f"({short:,} lamports) at the fee payer authority")
    assert all("at the fee payer" in o.reason for o in obstacles(anchored.first.store, WEEK, 9))
    assert all(p.attempts == 0 for p in anchored.first.store.payouts_after(plan_id, "", 9))

    set_lamports(anchored, 10**9)
    assert_ends_by_itself(anchored)


def test_tokens_that_are_used_up_are_named_with_their_account(anchored: World) -> None:
    set_tokens(anchored, 5_000 * ONE_TOKEN)
    assert "FundsShort" in sweep(anchored.first)
    assert_waits(anchored, "KONTRIB in the source account token/authority")

    set_tokens(anchored, POOL)
    assert_ends_by_itself(anchored)


@pytest.mark.parametrize("lamports", [False, True])
def test_funds_that_are_promised_to_payments_under_way_pay_no_others(
    anchored: World, lamports: bool
) -> None:
    """A worker signs its batches one after the other, before the first one has landed."""
    limits = replace(anchored.first.limits, batches_per_claim=1)
    anchored.first = replace(anchored.first, limits=limits)
    anchored.operators[0] = anchored.first
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    costs = chain_of(anchored.first).costs()
    if lamports:
        set_lamports(anchored, 2 * costs.receipt_rent + costs.fee_per_signature)
    else:
        set_tokens(anchored, 5_000 * ONE_TOKEN)

    looks: list[str] = []
    chain_of(anchored.first).before = looks.append
    assert "FundsShort" in sweep(anchored.first)
    assert looks.count("finalized_height") < 100  # those that wait are not looked at without pause

    stored = anchored.first.store.payouts_after(anchored.distribution().plan_id or "", "", 9)
    batches = [p for p in stored if p.kind is PayoutKind.BATCH]
    assert [p.status for p in batches].count(PayoutStatus.PAID) == 1
    assert [p.attempts for p in batches] == [0, 0, 0]
    assert not any(landed.error for landed in anchored.ledger.landed.values())
    set_lamports(anchored, 10**9)
    set_tokens(anchored, POOL)
    assert_ends_by_itself(anchored)


def test_an_exactly_funded_week_is_paid_without_a_wait(anchored: World) -> None:
    limits = replace(anchored.first.limits, batches_per_claim=1)
    anchored.first = replace(anchored.first, limits=limits)
    anchored.operators[0] = anchored.first
    set_tokens(anchored, POOL)
    assert sweep(anchored.first) == []
    assert anchored.distribution().stage is Stage.COMPLETED


def test_an_exactly_funded_week_signs_its_expired_payments_again(anchored: World) -> None:
    """A payment that expired needs its funds once, not once more beside itself."""
    set_tokens(anchored, POOL)
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    anchored.ledger.holds_sends = True
    anchored.do(anchored.first, Work(Job.PAY, WEEK, 0, 100))
    anchored.ledger.expire()
    anchored.ledger.holds_sends = False
    assert_ends_by_itself(anchored)


def test_payments_need_not_wait_until_token_accounts_are_final(anchored: World) -> None:
    began = anchored.clock.now()
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    assert anchored.distribution().stage is Stage.PREPARED
    assert anchored.clock.now() - began < timedelta(seconds=5)


def test_an_account_that_its_owner_closes_at_once_is_not_made_again(
    anchored: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its creation is final, and each further one would pay the owner the rent."""
    monkeypatch.setattr(
        "worker.services.payout.token_accounts.missing_wallets",
        lambda recipients: {recipient.wallet for recipient in recipients},
    )
    wallet, deadline = wallet_named("new one"), Deadline(anchored.clock, 600)
    assert create_token_accounts(anchored.first, WEEK, [wallet], deadline) == {wallet}
    assert len(anchored.first.store.other_transactions(WEEK, "", 9)) == 1


def test_an_allowance_that_is_used_up_is_named(anchored: World) -> None:
    first = chain_of(anchored.first)
    anchored.ledger.give_lamports("delegate", 10**12)
    anchored.ledger.change_token_account(
        first.source, delegate="delegate", allowance=4_000 * ONE_TOKEN
    )
    anchored.clock.sleep(20)
    delegated = FakeChain(
        anchored.ledger,
        authority="delegate",
        receipt_key=first.receipt_key,
        source=first.source,
        transfers_per_transaction=3,
    )
    anchored.first = replace(anchored.first, chain=delegated)
    anchored.operators[0] = anchored.first
    anchored.ledger.give_lamports(first.receipt_key, 10**12)
    assert "FundsShort" in sweep(anchored.first)
    assert_waits(anchored, "KONTRIB of delegated allowance of the source account token/authority")

    anchored.ledger.change_token_account(first.source, allowance=POOL)
    assert_ends_by_itself(anchored)


def test_a_single_waits_for_the_sol_of_its_token_account(world: World) -> None:
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    sweep(world.first)
    users = store_of(world.first).state.users
    ghost = next(i for i, document in users.items() if "wallet_address" not in document)
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    set_lamports(world, 1_000_000)
    world.clock.sleep(7 * 3600)
    with pytest.raises(FundsShort):
        world.do(world.first, Work(Job.SINGLES, WEEK))
    assert (world.distribution().reason or "").startswith("FundsShort: Token accounts")
    reward = world.first.store.reward(WEEK, str(ghost))
    assert reward is not None
    assert "at the fee payer authority" in (reward.reason or "")

    set_lamports(world, 10**9)
    for _ in range(3):
        world.clock.sleep(600)
        sweep(world.first)
    assert world.ledger.balance(wallet_named("ghost")) == reward.row.amount
    assert world.distribution().reason is None
    assert_clean(world)


# --- other waits ---------------------------------------------------------------------------------


def test_an_unreadable_receipt_is_a_reason_and_ends_by_itself(anchored: World) -> None:
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    chain = chain_of(anchored.first)
    chain.endpoints = [FakeEndpoint(), FakeEndpoint()]
    read = chain.receipts

    def silent_about_batches(ids: list[str], *, not_before_slot: int = 0) -> object:
        found = read(ids, not_before_slot=not_before_slot)
        return found | {i: ReceiptState.UNKNOWN for i in ids if "/root/" not in i}

    chain.receipts = silent_about_batches  # type: ignore[method-assign, assignment]
    done = anchored.do(anchored.first, Work(Job.PAY, WEEK, 0, 100))
    assert not done.again
    reasons = {o.reason for o in obstacles(anchored.first.store, WEEK, 9)}
    (reason,) = reasons
    assert (reason or "").startswith(
        "its receipt cannot be read: endpoints disagree, or lie too far"
    )

    chain.receipts = read  # type: ignore[method-assign]
    assert_ends_by_itself(anchored)


def test_a_cluster_that_finalizes_nothing_is_a_reason(anchored: World) -> None:
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    chain = chain_of(anchored.first)
    height, read = chain.finalized_height(), chain.finalized_height
    chain.finalized_height = lambda: height  # type: ignore[method-assign]
    anchored.ledger.holds_sends = True
    dead = FakeEndpoint(down=True)
    chain.endpoints = [FakeEndpoint(), dead, dead, FakeEndpoint(), FakeEndpoint()]
    done = anchored.do(anchored.first, Work(Job.PAY, WEEK, 0, 100))
    assert not done.again
    found = obstacles(anchored.first.store, WEEK, 9)
    assert len(found) == 3
    waits = "neither final nor expired yet; endpoint 2 does not answer; endpoint 3 does not answer"
    assert all((o.reason or "").endswith(waits) for o in found)

    chain.finalized_height = read  # type: ignore[method-assign]
    anchored.ledger.holds_sends = False
    assert_ends_by_itself(anchored)


def test_token_accounts_that_do_not_appear_are_a_reason(anchored: World) -> None:
    anchored.ledger.holds_sends = True
    assert sweep(anchored.first) == ["AccountsMissing"]
    reason = anchored.distribution().reason or ""
    assert reason.startswith("AccountsMissing: 2024-W50 waits for 2 token accounts.")

    anchored.ledger.in_flight.clear()
    anchored.ledger.holds_sends = False
    assert_ends_by_itself(anchored)


def test_a_void_that_is_refused_itself_pauses_and_spends_no_fee_each_look(anchored: World) -> None:
    anchored.do(anchored.first, Work(Job.ACCOUNTS, WEEK))
    plan_id = anchored.distribution().plan_id or ""
    batch = anchored.first.store.payouts_after(plan_id, "", 1)[0]
    void_batch(anchored.first, WEEK, batch.index, "a doubt")
    address = chain_of(anchored.first).receipt_address(batch.id)
    anchored.ledger.put_account(address, Account(owner="a program"))
    chain = chain_of(anchored.first)
    read = chain.receipts

    def free(ids: list[str], *, not_before_slot: int = 0) -> object:
        found = read(ids, not_before_slot=not_before_slot)
        return found | {i: ReceiptState.FREE for i in ids if i == batch.id}

    chain.receipts = free  # type: ignore[method-assign, assignment]
    anchored.do(anchored.first, Work(Job.PAY, WEEK, 0, 1))
    refused = [landed for landed in anchored.ledger.landed.values() if landed.error]
    assert len(refused) == 1
    (waiting,) = obstacles(anchored.first.store, WEEK, 9)
    assert waiting.payout_id == batch.id
