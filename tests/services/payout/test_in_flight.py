"""The payouts that one call of `pay` has claimed: how many, how long, and with which reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.backoff import READ_AGAIN_SECONDS
from worker.core.payout.records import Payout, PayoutKind, Settlement
from worker.core.plan.receipts import ReceiptState
from worker.services.payout.in_flight import USUAL_WAIT, InFlight
from worker.services.week.story import Job


@pytest.fixture
def flight(world: World) -> InFlight:
    """Three batches of a prepared week are claimed."""
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    flight = InFlight(world.first, WEEK)
    flight.claim(world.distribution().plan_id or "", range(100))
    return flight


@pytest.fixture
def world() -> World:
    return World(batch_size=2)


def unread(payout: Payout) -> Settlement:
    return Settlement(payout, PayoutStatus.PAID, None, None, None, verified=False)


def test_a_resolved_payout_is_kept_for_a_look_after_each_pause(
    world: World, flight: InFlight
) -> None:
    first, second = flight.payouts[:2]
    states = {first.id: PayoutStatus.PAID, second.id: PayoutStatus.VOID}

    for pause in READ_AGAIN_SECONDS:
        assert flight.keeps(unread(first))
        assert flight.unread_states() == {first.id: PayoutStatus.PAID}
        world.clock.sleep(pause - 0.1)
        assert flight.to_read(states) == {second.id: PayoutStatus.VOID}
        world.clock.sleep(0.1)
        assert flight.to_read(states) == states

    assert not flight.keeps(unread(first))
    assert flight.keeps(unread(second))
    flight.settled([unread(first)])
    assert flight.unread_states() == {second.id: PayoutStatus.PAID}


def test_settled_payouts_are_counted_once_and_leave(flight: InFlight) -> None:
    first, second, third = flight.payouts
    void = Settlement(second, PayoutStatus.VOID, "b", 7, None, verified=True)
    flight.signed_here = {"a": (), "b": (), "c": ()}

    flight.settled([unread(first), void])

    report = flight.report
    assert (report.paid, report.void, report.resolved) == (1, 1, 2)
    assert report.moved == first.amount
    assert flight.payouts == [third]
    assert flight.signed_here.keys() == {"a", "c"}
    assert [reason.split(":")[0] for reason in report.reasons] == [first.id]

    flight.settled([unread(third)])

    assert (report.paid, report.void, report.moved) == (2, 1, first.amount + third.amount)


def test_a_receipt_that_stays_unknown_is_a_reason_at_the_end(
    world: World, flight: InFlight
) -> None:
    first, *others = flight.payouts
    states = {each.id: ReceiptState.FREE for each in others}

    flight.note_receipts({first.id: ReceiptState.UNKNOWN} | states)
    assert flight.payouts == [first, *others]
    flight.show_waits()

    assert flight.payouts == others
    (reason,) = flight.report.reasons
    assert reason.startswith(f"{first.id}: its receipt cannot be read: ")


@pytest.mark.parametrize(("more", "waits"), [(0, 0), (1, 1)])
def test_an_attempt_is_shown_once_it_waits_longer_than_usual(
    world: World, flight: InFlight, more: int, waits: int
) -> None:
    world.ledger.holds_sends = True
    flight.payouts.clear()
    world.first.store.requeue(WEEK, world.clock.now())
    world.clock.sleep(3600)
    do(world.first, Job.PAY, seconds=1)
    stored = store_of(world.first).state.payouts[world.distribution().plan_id or ""].values()
    signed = [s.payout for s in stored if s.payout.kind is PayoutKind.BATCH and s.payout.attempt]
    assert signed
    flight.payouts = signed[:1]
    began = _began(signed[0])
    wait = began + USUAL_WAIT + timedelta(seconds=more) - world.clock.now()
    world.clock.sleep(wait.total_seconds())

    flight.show_waits()

    assert len(flight.report.reasons) == waits
    assert all(f"sent at {began:%Y-%m-%d %H:%M:%S} UTC" in each for each in flight.report.reasons)


def _began(payout: Payout) -> datetime:
    assert payout.attempt is not None
    return payout.attempt.created_at
