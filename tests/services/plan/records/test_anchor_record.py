"""A final anchor is recorded with its transaction: our own, or the one that the chain names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from bson import ObjectId

from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.payout.chain import Blockhash, Intent, Searched
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX
from worker.core.payout.records import Payout
from worker.core.plan.receipts import ReceiptState, anchor_id
from worker.ports.payout.chain import Signed
from worker.services.context import Deadline
from worker.services.plan.anchor import PlanIsStale, anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.plan.send_until_resolved import TransactionRefused


@pytest.fixture
def planned(world: World) -> World:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    world.clock.sleep(20)
    return world


def anchor(world: World) -> Payout:
    found = world.first.store.payout(world.distribution().plan_id or "", anchor_id(WEEK))
    assert found is not None
    return found


def test_an_anchor_is_recorded_with_its_facts(planned: World) -> None:
    anchored = anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))

    week, payout = planned.distribution(), anchor(planned)
    landed = planned.ledger.landed[anchored.signature or ""]
    assert anchored.finalized
    assert (week.stage, week.signature) == (Stage.ANCHORED, anchored.signature)
    assert (payout.status, payout.signature) == (PayoutStatus.PAID, anchored.signature)
    assert (payout.slot, payout.reason, payout.next_attempt_at) == (landed.slot, None, None)
    stored = store_of(planned.first).state.payouts_of(week.plan_id or "")[payout.id]
    assert (stored.fee, stored.verified) == (landed.fee, True)
    assert anchor_week(planned.first, WEEK, Deadline(planned.clock, 600)) == anchored


def test_our_own_anchor_is_read_although_no_endpoint_searches(
    planned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Searched(None, None)
    monkeypatch.setattr(chain_of(planned.first), "search_execution", lambda *_: nothing)

    assert anchor_week(planned.first, WEEK, Deadline(planned.clock, 600)).signature is not None


def test_an_anchor_that_this_database_did_not_sign_is_searched(planned: World) -> None:
    anchored = anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    state = store_of(planned.first).state
    plan_id = planned.distribution().plan_id or ""
    stored = state.payouts[plan_id][anchor_id(WEEK)]
    fresh = {"status": PayoutStatus.PENDING, "attempt": None, "signature": None, "slot": None}
    state.put_payout(stored, **fresh)
    week = state.weeks[WEEK]
    open_again = replace(week.distribution, stage=Stage.PLANNED, signature=None)
    state.weeks[WEEK] = replace(week, distribution=open_again)

    assert anchor_week(planned.first, WEEK, Deadline(planned.clock, 600)) == anchored
    assert anchor(planned).signature == anchored.signature


def test_an_anchor_whose_transaction_is_not_readable_is_final_and_looked_for_later(
    planned: World,
) -> None:
    chain_of(planned.first).has_history = False

    anchored = anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))

    assert (anchored.root, anchored.signature) == (planned.distribution().root, None)
    assert anchored.finalized
    assert planned.distribution().stage is Stage.ANCHORED
    payout = anchor(planned)
    assert payout.status is PayoutStatus.PAID
    assert payout.reason is not None
    assert payout.next_attempt_at is not None
    assert payout.next_attempt_at > planned.clock.now()
    stored = store_of(planned.first).state.payouts_of(payout.plan_id)[payout.id]
    assert (stored.fee, stored.verified) == (None, False)


def test_a_signature_that_another_worker_knows_is_kept(planned: World) -> None:
    state = store_of(planned.first).state
    week = state.weeks[WEEK]
    state.weeks[WEEK] = replace(week, distribution=replace(week.distribution, signature="known"))
    chain_of(planned.first).has_history = False

    anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))

    assert planned.distribution().signature == "known"


# --- attempts -------------------------------------------------------------------------------------


@pytest.fixture
def retries(planned: World, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each signed intent is a retry."""
    chain, found = chain_of(planned.first), list[bool]()
    sign = chain.sign

    def note(intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        found.extend(intent.is_retry for intent in intents)
        return sign(intents, blockhash)

    monkeypatch.setattr(chain, "sign", note)
    return found


def test_an_anchor_that_never_lands_is_signed_again_as_a_retry(
    planned: World, retries: list[bool]
) -> None:
    planned.ledger.holds_sends = True
    assert not anchor_week(planned.first, WEEK, Deadline(planned.clock, 2)).finalized
    planned.ledger.in_flight.clear()
    planned.ledger.expire()
    planned.ledger.holds_sends = False

    assert anchor_week(planned.first, WEEK, Deadline(planned.clock, 600)).finalized
    assert retries == [False, True]


def test_an_anchor_that_the_chain_refused_is_named(planned: World, retries: list[bool]) -> None:
    planned.ledger.holds_sends = True
    anchor_week(planned.first, WEEK, Deadline(planned.clock, 2))
    payer = chain_of(planned.first).fee_payer
    account = planned.ledger.account(payer)
    assert account is not None
    planned.ledger.put_account(payer, replace(account, lamports=10_000))
    planned.ledger.deliver()
    planned.clock.sleep(30)

    with pytest.raises(TransactionRefused, match="the anchor of 2024-W50: insufficient lamports"):
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    assert retries == [False]


def test_an_anchor_may_take_longer_than_an_endpoint_may_be_silent(planned: World) -> None:
    planned.ledger.holds_sends = True
    seconds = UNKNOWN_MAX.total_seconds() + 5

    anchored = anchor_week(planned.first, WEEK, Deadline(planned.clock, seconds))

    assert (anchored.root, anchored.finalized) == (planned.distribution().root, False)


def test_receipts_of_an_anchor_are_read_at_the_finalized_height(
    planned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older view could show a free receipt of an attempt that landed and then expired."""
    chain, slots = chain_of(planned.first), list[int]()
    receipts = chain.receipts

    def note(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        if anchor_id(WEEK) in ids and len(ids) == 2:
            slots.append(not_before_slot)
        return receipts(ids, not_before_slot=not_before_slot)

    monkeypatch.setattr(chain, "receipts", note)
    height = chain.finalized_height()

    anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))

    assert slots[0] == height.slot


# --- plans that cannot be anchored ----------------------------------------------------------------


def test_a_plan_without_its_anchors_record_is_made_again(planned: World) -> None:
    state = store_of(planned.first).state
    del state.payouts[planned.distribution().plan_id or ""][anchor_id(WEEK)]

    with pytest.raises(PlanIsStale, match="missing in the database or was changed"):
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    assert planned.distribution().plan_id is None


def test_a_plan_whose_header_is_damaged_is_made_again(planned: World) -> None:
    state = store_of(planned.first).state
    week = state.weeks[WEEK]
    state.weeks[WEEK] = replace(week, distribution=replace(week.distribution, header=b"{}"))

    with pytest.raises(PlanIsStale, match="missing in the database or was changed"):
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    assert planned.distribution().plan_id is None


def test_a_plan_whose_batches_no_endpoint_takes_any_more_is_made_again(planned: World) -> None:
    chain_of(planned.first).transfers_per_transaction = 2

    with pytest.raises(
        PlanIsStale, match="fits: its batches are larger than every endpoint accepts"
    ):
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    assert planned.distribution().plan_id is None


def test_a_plan_with_a_held_reward_in_a_batch_is_made_again(planned: World) -> None:
    (reward, *_) = planned.first.store.rewards(planned.distribution().plan_id or "", range(3))
    planned.first.store.hold(reward, "a doubt")

    with pytest.raises(
        PlanIsStale, match="fits: an operator holds a reward that it pays with a batch"
    ):
        anchor_week(planned.first, WEEK, Deadline(planned.clock, 600))
    assert planned.distribution().plan_id is None


def test_an_anchor_of_another_operator_is_adopted(world: World) -> None:
    rival = world.add_operator()
    world.populate(4)
    world.genesis()
    plan_week(world.first, WEEK)
    store_of(rival).set_user_fields(ObjectId(user_id_of("user 1")), wallet_address=None)
    plan_week(rival, WEEK)
    theirs = anchor_week(rival, WEEK, Deadline(world.clock, 600))
    assert world.distribution().root != theirs.root

    assert anchor_week(world.first, WEEK, Deadline(world.clock, 600)) == theirs
    assert world.distribution().root == theirs.root
