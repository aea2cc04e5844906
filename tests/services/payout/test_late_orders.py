"""An operator's redirect or void order that comes while a worker is busy with the payout."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import WEEK, World, chain_of, user_id_of
from worker.core.payout.records import Attempt, Payout, PayoutKind, Reward
from worker.core.plan.receipts import Resolution
from worker.services.context import Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.override import redirect_reward, void_batch
from worker.services.payout.prepare import PreparedPayments, prepare_payments
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal
from worker.services.week.story import Job, Work

USER = "user 1"
NEW = wallet_named("a new wallet")


@pytest.fixture
def prepared(world: World) -> World:
    """A week whose batches can be paid."""
    world.populate(6)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK, 0, 100))
    world.ledger.put_token_account(token_address(NEW), TokenAccount(NEW))
    return world


def reward_of(world: World) -> Reward:
    found = world.first.store.reward(WEEK, user_id_of(USER))
    assert found is not None
    return found


def payout(world: World, payout_id: str) -> Payout:
    found = world.first.store.payout(world.distribution().plan_id or "", payout_id)
    assert found is not None
    return found


def batch_of(world: World) -> Payout:
    return payout(world, reward_of(world).row.batch)


def single_of(world: World) -> Payout:
    plan_id, position = world.distribution().plan_id or "", reward_of(world).position
    found = world.first.store.payouts_after(plan_id, "", 100)
    (single,) = (p for p in found if p.kind is PayoutKind.SINGLE and p.index == position)
    return single


def prepare(world: World, known: Payout) -> PreparedPayments:
    """What a worker signs next that claimed the payout in this state."""
    context, planned = world.first, planned_week(world.first.store, WEEK)
    rows = AnchoredRows(context, planned, anchored_seal(context, planned))
    deadline = Deadline(context.clock, 60)
    return prepare_payments(rows, [known], deadline, refused=frozenset())


def test_a_redirect_reaches_a_single_that_is_being_made(prepared: World) -> None:
    batch = batch_of(prepared)
    void_batch(prepared.first, WEEK, int(batch.id[-5:]), "a test")
    prepared.do(prepared.first, Work(Job.PAY, WEEK, 0, 100))
    chain, waiting = chain_of(prepared.first), [USER]

    def redirect(method: str) -> None:
        if method == "recipients" and waiting:
            waiting.clear()
            redirect_reward(prepared.first, WEEK, user_id_of(USER), NEW)

    chain.before = redirect
    prepared.do(prepared.first, Work(Job.SINGLES, WEEK, 0, 100))
    assert single_of(prepared).wallet == reward_of(prepared).redirected_to == NEW

    prepared.run()
    assert prepared.ledger.balance(wallet_named(USER)) == 0
    assert prepared.ledger.balance(NEW) == reward_of(prepared).row.amount


def test_a_single_that_was_claimed_before_its_redirect_is_not_signed(prepared: World) -> None:
    void_batch(prepared.first, WEEK, int(batch_of(prepared).id[-5:]), "a test")
    for job in (Job.PAY, Job.SINGLES):
        prepared.do(prepared.first, Work(job, WEEK, 0, 100))
    claimed = single_of(prepared)
    redirect_reward(prepared.first, WEEK, user_id_of(USER), NEW)

    found = prepare(prepared, claimed)

    assert found.intents == []
    assert [each.reason for each in found.later] == ["it was redirected"]
    assert all(each.next_attempt_at > prepared.clock.now() for each in found.later)
    assert [i.transfers[0].wallet for _, i in prepare(prepared, single_of(prepared)).intents] == [
        NEW
    ]


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_batch_that_was_claimed_before_an_order_follows_it(
    prepared: World, was_sent: bool
) -> None:
    """Also one that waits unsigned, for the funds that others under way may need."""
    batch, now = batch_of(prepared), prepared.clock.now()
    attempt = Attempt("sig", Resolution.PAID, "hash", 1, b"wire", now - timedelta(minutes=3))
    claimed = replace(batch, attempt=attempt if was_sent else None)
    assert [i.resolution for _, i in prepare(prepared, claimed).intents] == [Resolution.PAID]

    void_batch(prepared.first, WEEK, int(batch.id[-5:]), "a test")

    assert [i.resolution for _, i in prepare(prepared, claimed).intents] == [Resolution.VOID]
