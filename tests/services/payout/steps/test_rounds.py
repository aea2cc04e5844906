"""One look at the chain after another: what is read, and what goes on without signing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import Event
from typing import Any

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.traps import do
from tests.simulation.mutations.happen import hide_receipts
from worker.core.errors import Unreachable
from worker.core.lifecycle import IllegalTransition, PayoutStatus
from worker.core.payout.records import PayoutKind, Settlement
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Deadline, Paused
from worker.services.payout.pay import pay
from worker.services.plan.funds import FundsShort, payer_reserve, payout_cost
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import AnchorUnknown, anchored_seal
from worker.services.week.story import Job


@pytest.fixture
def sent() -> World:
    """A week of three batches, whose payments are sent and do not land yet."""
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    world.ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=1)
    assert len(world.ledger.in_flight) == 3
    return world


@pytest.fixture
def six() -> World:
    """A week of six payments of one reward each, whose transactions do not land yet."""
    world = World(batch_size=1)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    world.ledger.holds_sends = True
    return world


def leave_tokens_for(world: World, payments: int) -> None:
    plan_id = world.distribution().plan_id or ""
    amounts = [row.amount for row in world.first.store.rows(plan_id, range(payments))]
    world.ledger.change_token_account(chain_of(world.first).source, amount=sum(amounts))
    world.clock.sleep(20)


def test_payments_under_way_are_settled_while_signing_is_paused(sent: World) -> None:
    sent.first.store.pause("the treasury moves")
    sent.ledger.holds_sends = False
    sent.ledger.deliver()
    planned = planned_week(sent.first.store, WEEK)

    report = pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    assert (report.paid, report.later, report.unresolved) == (3, 0, 0)


def test_a_receipt_is_not_read_while_its_payment_can_land(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, asked = chain_of(sent.first), list[str]()
    receipts = chain.receipts

    def note(ids: Sequence[str], **options: Any) -> dict[str, ReceiptState]:
        asked.extend(each for each in ids if "/0000" in each)
        return dict(receipts(ids, **options))

    monkeypatch.setattr(chain, "receipts", note)

    do(sent.first, Job.PAY, seconds=3)
    assert asked == []
    sent.ledger.deliver()
    do(sent.first, Job.PAY, seconds=60)

    assert sorted(set(asked)) == [f"2024-12-09/0000{index}" for index in range(3)]


def test_a_refused_payment_to_a_closed_account_is_made_void_at_once(sent: World) -> None:
    sent.ledger.put_token_account(token_address(wallet_named("user 0")), None)
    sent.ledger.holds_sends = False
    sent.ledger.deliver()
    sent.clock.sleep(20)
    planned = planned_week(sent.first.store, WEEK)

    report = pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    assert (report.paid, report.void, report.later) == (2, 1, 0)


def test_an_answer_that_misses_a_status_is_no_answer(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_of(sent.first), "statuses", lambda signatures: [])
    planned = planned_week(sent.first.store, WEEK)

    with pytest.raises(ValueError, match="shorter"):
        pay(sent.first, planned, range(9), Deadline(sent.clock, 60))


def test_payments_beyond_the_funds_wait_with_the_exact_amount() -> None:
    """The treasury has all tokens of the week, and the SOL of one payment."""
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    chain, planned = chain_of(world.first), planned_week(world.first.store, WEEK)
    cost, left = payout_cost(chain.costs()), payer_reserve(chain.costs())
    payer = world.ledger.account(chain.fee_payer)
    assert payer is not None
    world.ledger.put_account(chain.fee_payer, replace(payer, lamports=cost + left))
    world.ledger.change_token_account(chain.source, amount=planned.header.total_amount)
    world.clock.sleep(20)

    with pytest.raises(FundsShort) as caught:
        pay(world.first, planned, range(9), Deadline(world.clock, 60))

    told = str(caught.value)
    assert told.startswith("2024-W50 is not paid wholly: short of ")
    assert f"({2 * cost:,} lamports)" in told
    assert "KONTRIB" not in told
    payouts = world.first.store.payouts_after(planned.plan_id, "", 9)
    assert [p.reason for p in payouts if p.kind is PayoutKind.BATCH] == [None, told, told]


def test_first_payments_are_sent_without_a_pause_between_them(six: World) -> None:
    limits = replace(six.first.limits, batches_per_claim=1)
    chain, sent = chain_of(six.first), list[datetime]()

    def note(method: str) -> None:
        if method == "send":
            sent.append(six.clock.now())

    chain.before = note
    do(replace(six.first, limits=limits), Job.PAY, seconds=0.1)

    assert len(six.ledger.in_flight) == 6
    assert len(sent) == 6
    assert len(set(sent)) == 1


def test_a_root_that_was_final_a_minute_ago_is_read_again_before_payments() -> None:
    world = World(batch_size=2)
    world.populate(2)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    planned = planned_week(world.first.store, WEEK)
    anchored_seal(world.first, planned)
    hide_receipts(world.first, lambda each: "/root/" in each)

    with pytest.raises(AnchorUnknown):
        pay(world.first, planned, range(9), Deadline(world.clock, 60))

    assert world.ledger.payments() == []


@pytest.mark.parametrize("covered", [4, 5, 6])
def test_tokens_of_payments_under_way_are_promised_to_nobody_else(six: World, covered: int) -> None:
    """The treasury still shows them."""
    leave_tokens_for(six, covered)
    looks: list[str] = []

    def count(method: str) -> None:
        looks.extend([method] if method == "statuses" else [])
        assert len(looks) < 20, "it looks without a pause"

    chain_of(six.first).before = count
    do(six.first, Job.PAY, seconds=5)

    assert len(six.ledger.in_flight) == covered


def test_the_tokens_of_an_expired_payment_pay_it_later(six: World) -> None:
    leave_tokens_for(six, 6)
    do(six.first, Job.PAY, seconds=1)
    assert len(six.ledger.in_flight) == 6
    six.ledger.expire()
    six.ledger.holds_sends = False

    do(six.first, Job.PAY, seconds=60)

    assert len(six.ledger.payments()) == 6
    assert six.ledger.balance(wallet_named("user 0")) > 0


def leave_one_to_settle_and_two_to_sign(sent: World) -> None:
    """One payment lands. The others expire, and the treasury has exactly their tokens."""
    first, *others = sent.ledger.in_flight
    payouts = sent.first.store.payouts_after(sent.distribution().plan_id or "", "", 9)
    left = sum(p.amount for p in payouts if p.attempt and p.attempt.signature in others)
    sent.ledger.deliver([first])
    sent.ledger.change_token_account(chain_of(sent.first).source, amount=left)
    for signature in others:
        sent.ledger.lose(signature)
    sent.ledger.expire()
    sent.ledger.holds_sends = False


def test_settlements_are_recorded_while_the_next_payments_are_signed(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_to_settle_and_two_to_sign(sent)
    store, signed = store_of(sent.first), Event()
    settle = store.settle

    def wait_for_signatures(settlements: Sequence[Settlement], now: datetime) -> None:
        assert signed.wait(10), "nothing was signed meanwhile"
        settle(settlements, now)

    monkeypatch.setattr(store, "settle", wait_for_signatures)
    chain_of(sent.first).before = lambda method: signed.set() if method == "sign" else None
    planned = planned_week(store, WEEK)

    report = pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    assert (report.paid, report.later, report.unresolved) == (3, 0, 0)


def unreachable(settlements: Sequence[Settlement], now: datetime) -> None:
    raise Unreachable("MongoDB does not answer")


def test_settlements_that_cannot_be_recorded_are_left_to_the_next_worker_at_once(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_one_to_settle_and_two_to_sign(sent)
    store, planned = store_of(sent.first), planned_week(sent.first.store, WEEK)
    with monkeypatch.context() as broken:
        broken.setattr(store, "settle", unreachable)
        with pytest.raises(Unreachable):
            pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    report = pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    assert (report.paid, report.later, report.unresolved) == (3, 0, 0)
    assert len(sent.ledger.payments()) == 3


def test_a_contradiction_is_reported_before_a_pause(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain contradicts a stored final state, and signing is paused."""
    leave_one_to_settle_and_two_to_sign(sent)
    store, planned = store_of(sent.first), planned_week(sent.first.store, WEEK)
    store.pause("the treasury moves")

    def contradict(settlements: Sequence[Settlement], now: datetime) -> None:
        raise IllegalTransition(settlements[0].payout.id, "void", "paid")

    monkeypatch.setattr(store, "settle", contradict)

    with pytest.raises(IllegalTransition):
        pay(sent.first, planned, range(9), Deadline(sent.clock, 60))


def test_a_landed_payment_is_recorded_although_the_others_cannot_be_signed(sent: World) -> None:
    leave_one_to_settle_and_two_to_sign(sent)
    store, planned = sent.first.store, planned_week(sent.first.store, WEEK)
    store.pause("the treasury moves")

    with pytest.raises(Paused):
        pay(sent.first, planned, range(9), Deadline(sent.clock, 60))

    assert store.batch_counts(planned.plan_id)[PayoutStatus.PAID] == 1
