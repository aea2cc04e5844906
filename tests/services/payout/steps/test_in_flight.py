"""The payouts that one call of `pay` has claimed: how many, how long, and with which reason."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

import pytest

from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.payout.backoff import READ_AGAIN_SECONDS, for_a_person, for_an_event
from worker.core.payout.chain import Intent, Transfer
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX
from worker.core.payout.records import Attempt, Payout, PayoutKind, Settlement
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.core.watch.figures import RE_SIGNS
from worker.services.payout.in_flight import LOOK_AGAIN, MARKED_AFTER, USUAL_WAIT, InFlight
from worker.services.week.story import Job


@pytest.fixture
def flight(world: World) -> InFlight:
    """Three batches of a prepared week are claimed."""
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    flight = InFlight(world.first, WEEK)
    flight.claim(world.distribution().plan_id or "", range(100), deque())
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

    flight.settled([unread(third), void])

    assert (report.paid, report.void, report.moved) == (2, 2, first.amount + third.amount)


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
    world.first.store.requeue(WEEK)
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


# --- attempts and marks -------------------------------------------------------------------------


def signed_by(world: World, payouts: list[Payout]) -> list[tuple[Payout, Intent, Attempt]]:
    """An attempt for each payout, with the payout's id as its signature."""
    now = world.clock.now()
    return [
        (
            payout,
            Intent((payout.id,), Resolution.PAID, (Transfer(payout.id, payout.amount),)),
            Attempt(payout.id, Resolution.PAID, "hash", 1, b"", now),
        )
        for payout in payouts
    ]


def test_attempts_are_remembered_together_and_only_later_ones_count_as_signed_again(
    world: World, flight: InFlight
) -> None:
    first, second, third = flight.payouts

    flight.record_attempts(signed_by(world, [first]))
    flight.record_attempts(signed_by(world, [second, third]))

    assert flight.signed_here.keys() == {first.id, second.id, third.id}
    assert flight.signed_here[second.id] == (Transfer(second.id, second.amount),)
    assert all(payout.status is PayoutStatus.PROCESSING for payout in flight.payouts)
    assert all(payout.attempt is not None for payout in flight.payouts)
    assert world.first.counted[RE_SIGNS] == 0

    for again in (flight.payouts[:2], flight.payouts[2:]):
        flight.record_attempts(signed_by(world, again))

    assert world.first.counted[RE_SIGNS] == 3


def test_rewards_are_marked_once_while_their_lease_lasts(world: World, flight: InFlight) -> None:
    first, second, third = flight.payouts
    flight.record_attempts(signed_by(world, [first]))
    flight.record_attempts(signed_by(world, [second, third]))
    flight.settled([unread(third)])
    world.clock.sleep(MARKED_AFTER.total_seconds())

    assert flight.mark_some()
    assert not flight.mark_some()

    rewards = world.first.store.rewards(world.distribution().plan_id or "", range(6))
    processing = {r.row.batch for r in rewards if r.status is Status.PROCESSING}
    assert processing == {first.id, second.id}


@pytest.mark.parametrize(("after", "marks"), [(-1, False), (0, True), (1, True)])
def test_nothing_is_marked_of_a_payment_that_takes_its_usual_time(
    world: World, flight: InFlight, after: int, marks: bool
) -> None:
    flight.record_attempts(signed_by(world, flight.payouts[:1]))
    world.clock.sleep(MARKED_AFTER.total_seconds() + after)
    flight.record_attempts(signed_by(world, flight.payouts[1:]))

    assert flight.mark_some() is marks

    rewards = world.first.store.rewards(world.distribution().plan_id or "", range(6))
    processing = {r.row.batch for r in rewards if r.status is Status.PROCESSING}
    assert processing == ({flight.payouts[0].id} if marks else set())


@pytest.mark.parametrize(("before_end", "marks"), [(31, True), (30, False), (29, False)])
def test_nothing_is_marked_shortly_before_the_lease_ends(
    world: World, flight: InFlight, before_end: int, marks: bool
) -> None:
    flight.record_attempts(signed_by(world, flight.payouts))
    end = world.clock.now() + world.first.limits.lease
    world.clock.sleep((end - world.clock.now()).total_seconds() - before_end)

    assert flight.mark_some() is marks


def test_every_wait_is_shown_although_others_are_usual(world: World, flight: InFlight) -> None:
    usual, long, unknown = flight.payouts
    flight.record_attempts(signed_by(world, [long]))
    world.clock.sleep(USUAL_WAIT.total_seconds() + 1)
    flight.record_attempts(signed_by(world, [usual]))
    flight.note_receipts({unknown.id: ReceiptState.UNKNOWN})

    flight.show_waits()

    assert {reason.split(":")[0] for reason in flight.report.reasons} == {long.id, unknown.id}
    assert [payout.id for payout in flight.payouts] == [usual.id]
    assert flight.report.later == 2


def test_a_receipt_that_is_unknown_for_too_long_is_looked_for_later(
    world: World, flight: InFlight
) -> None:
    first, *others = flight.payouts
    unknown = {first.id: ReceiptState.UNKNOWN}
    flight.note_receipts(unknown)
    world.clock.sleep(UNKNOWN_MAX.total_seconds() + 1)
    flight.note_receipts(unknown)

    assert flight.payouts == others
    stored = world.first.store.payout(world.distribution().plan_id or "", first.id)
    assert stored is not None
    assert stored.next_attempt_at == world.clock.now() + LOOK_AGAIN


# --- claims and postponements ---------------------------------------------------------------------


def test_no_more_is_claimed_than_there_is_room_for() -> None:
    world = World(batch_size=1)
    world.populate(12)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    flight, plan_id = InFlight(world.first, WEEK), world.distribution().plan_id or ""
    assert world.first.limits.batches_in_flight == 8

    claimed = [len(flight.claim(plan_id, range(100), deque())) for _ in range(3)]

    assert claimed == [4, 4, 0]
    assert len({payout.id for payout in flight.payouts}) == 8
    flight.record_attempts(signed_by(world, flight.payouts))
    world.clock.sleep(MARKED_AFTER.total_seconds())
    assert flight.mark_some()  # all leases are known


def test_the_next_range_is_claimed_when_the_ones_before_have_nothing() -> None:
    world = World(batch_size=1)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    flight, plan_id = InFlight(world.first, WEEK), world.distribution().plan_id or ""
    behind = deque([range(2, 4), range(4, 6)])

    claimed = [[p.index for p in flight.claim(plan_id, range(2), behind)] for _ in range(3)]

    assert claimed == [[0, 1], [2, 3], [4, 5]]
    assert list(behind) == [range(4, 6)]  # the range before it had nothing more


def test_without_room_no_range_is_forgotten() -> None:
    world = World(batch_size=1)
    world.populate(12)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    flight, behind = InFlight(world.first, WEEK), deque([range(8, 12)])
    plan_id = world.distribution().plan_id or ""

    claimed = [len(flight.claim(plan_id, range(8), behind)) for _ in range(3)]

    assert claimed == [4, 4, 0]
    assert list(behind) == [range(8, 12)]


def test_one_payout_that_waits_for_a_person_stops_its_week(world: World, flight: InFlight) -> None:
    flight.postpone([for_a_person(flight.payouts[0], "Its row was changed.")])

    week = world.distribution()
    assert week.stopped
    assert week.reason == (
        "1 payout waits for a person: 2024-12-09/00000: Its row was changed. Mend the cause, then "
        "run `kontrib retry 2024-W50`."
    )


def test_postponed_payouts_are_counted_together(world: World, flight: InFlight) -> None:
    first, second, third = flight.payouts
    again = world.clock.now() + LOOK_AGAIN

    flight.postpone([for_an_event(first, "no funds", again)])
    flight.postpone([for_an_event(second, "no answer", again)])

    assert flight.report.later == 2
    assert flight.report.reasons == [f"{first.id}: no funds", f"{second.id}: no answer"]
    assert flight.payouts == [third]


def test_a_long_wait_names_the_troubles_of_each_endpoint(world: World, flight: InFlight) -> None:
    flight.record_attempts(signed_by(world, flight.payouts[:1]))
    world.clock.sleep(USUAL_WAIT.total_seconds() + 1)
    chain_of(world.first).endpoint_troubles = ["one does not answer", "two is behind"]

    flight.show_waits()

    (reason,) = flight.report.reasons
    assert reason.endswith("neither final nor expired yet; one does not answer; two is behind")
