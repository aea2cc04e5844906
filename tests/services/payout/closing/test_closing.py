"""A week closes once all is resolved, readable and equal; its sums are then on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.core.findings import Check
from worker.core.lifecycle import PayoutStatus, Stage
from worker.services.payout import read_again as read_again_module
from worker.services.payout.close import (
    BooksUnproven,
    StillOpen,
    TransactionsUnread,
    close_week,
    record_reconciliation,
)
from worker.services.payout.read_again import ReadAgain, read_again, unread_payouts
from worker.services.payout.reconcile import Reconciliation
from worker.services.plan.planned_week import planned_week
from worker.services.week.story import Job, Work


@pytest.fixture
def world() -> World:
    """A week of three batches that can be paid."""
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    return world


def test_a_week_with_a_pending_and_a_signed_batch_stays_open(world: World) -> None:
    state = store_of(world.first).state
    stored = state.payouts[world.distribution().plan_id or ""]
    state.put_payout(stored["2024-12-09/00000"], status=PayoutStatus.PAID)
    state.put_payout(stored["2024-12-09/00001"], status=PayoutStatus.PROCESSING)

    with pytest.raises(StillOpen, match="2024-W50 has 2 batches not resolved yet"):
        close_week(world.first, world.distribution())


def test_a_week_whose_payments_cannot_be_read_any_more_stays_open(world: World) -> None:
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))
    chain_of(world.first).has_history = False

    with pytest.raises(BooksUnproven, match="nothing differs, and 3 facts cannot be read"):
        close_week(world.first, world.distribution())

    assert world.distribution().stage is Stage.PREPARED
    assert "reconciliation" not in world.first.store.notes(WEEK)


def test_three_facts_that_cannot_be_read_are_named() -> None:
    check = Check("chain")
    for number in range(4):
        check.unproven(f"payout {number}", "unreadable")

    told = str(BooksUnproven(Reconciliation(WEEK, planned=7, database_unpaid=7, check=check)))

    assert [f"payout {number}" in told for number in range(4)] == [True, True, True, False]
    assert told.startswith("2024-W50: nothing differs, and 4 facts cannot be read")
    first = [str(finding) for finding in check.findings[:3]]
    assert told.endswith(f"The week closes by itself. {'; '.join(first)}")


def test_the_first_unread_transaction_is_named(world: World) -> None:
    payouts = world.first.store.payouts_after(world.distribution().plan_id or "", "", 9)
    unread = [replace(payout, reason="not readable yet") for payout in payouts[:2]]

    told = str(TransactionsUnread(WEEK, unread))

    assert f"2 transactions that no endpoint returns yet, such as {unread[0].id} (not" in told
    assert unread[1].id not in told
    assert "0 transactions that no endpoint returns yet. It" in str(TransactionsUnread(WEEK, []))


def test_the_sums_of_a_reconciliation_are_on_record(world: World) -> None:
    result = Reconciliation(
        WEEK, planned=60, database_paid=50, database_unpaid=10, chain_paid=49, fees=5
    )
    result.check.wrong("2024-12-09/00001", "another amount")

    record_reconciliation(world.first, result)

    assert world.first.store.notes(WEEK)["reconciliation"] == {
        "at": world.clock.now(),
        "planned": 60,
        "database_paid": 50,
        "chain_paid": 49,
        "mismatch": 1,
        "differences": result.differences,
        "fees": 5,
    }


def test_a_closed_week_says_when_it_was_closed(world: World) -> None:
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))

    assert close_week(world.first, world.distribution()).is_exact

    closed = world.distribution()
    assert (closed.stage, closed.completed_at) == (Stage.COMPLETED, world.clock.now())


def test_a_transaction_is_not_looked_for_before_its_time(world: World) -> None:
    chain_of(world.first).has_history = False
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))
    chain_of(world.first).has_history = True
    state = store_of(world.first).state
    for stored in state.payouts[world.distribution().plan_id or ""].values():
        state.put_payout(stored, next_attempt_at=world.clock.now() + timedelta(seconds=1))

    with pytest.raises(TransactionsUnread, match="waits for 3 transactions"):
        close_week(world.first, world.distribution())
    world.clock.sleep(1)

    assert close_week(world.first, world.distribution()).is_exact


# --- transactions that are read again -------------------------------------------------------------


@pytest.fixture
def unread(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three batches are paid, and no endpoint has returned their transactions yet."""
    monkeypatch.setattr(read_again_module, "CHUNK_PAYOUTS", 1)
    chain_of(world.first).has_history = False
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))
    return world


def test_a_look_counts_what_it_read_and_what_is_left(unread: World) -> None:
    planned = planned_week(unread.first.store, WEEK)

    assert read_again(unread.first, planned, due=None) == ReadAgain(complete=0, later=3)
    chain_of(unread.first).has_history = True
    assert read_again(unread.first, planned, due=None) == ReadAgain(complete=3, later=0)


def test_every_payout_with_an_unread_transaction_is_named(unread: World) -> None:
    planned = planned_week(unread.first.store, WEEK)
    assert len(unread_payouts(unread.first, planned)) == 3

    state = store_of(unread.first).state
    stored = state.payouts[planned.plan_id]["2024-12-09/00001"]
    state.put_payout(stored, reason=None)  # only its signature is missing

    left = [payout.id for payout in unread_payouts(unread.first, planned)]
    assert left == ["2024-12-09/00000", "2024-12-09/00002"]
