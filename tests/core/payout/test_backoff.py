"""Pauses between tries: they grow, they end, and they need no randomness."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import A_WEEK
from worker.core.lifecycle import PayoutStatus
from worker.core.money import BaseUnits
from worker.core.payout.backoff import (
    AHEAD_MAX,
    ATTEMPTS_MAX,
    NEVER,
    after_failure,
    after_refusal,
    for_a_person,
    for_an_event,
    is_exhausted,
    is_waiting,
    next_attempt_at,
    next_look_at,
    next_reading_at,
)
from worker.core.payout.records import Payout, PayoutKind

NOW = datetime(2024, 12, 16, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)
keys = st.text(max_size=30)


def pause(attempts: int, key: str = "2024-12-09/00007", *, scale: float = 1.0) -> timedelta:
    return next_attempt_at(NOW, attempts, key, scale=scale) - NOW


@given(st.integers(0, 10), keys)
def test_each_pause_is_twice_the_one_before_and_up_to_half_more(attempts: int, key: str) -> None:
    base = timedelta(seconds=15 * 2**attempts)

    assert base <= pause(attempts, key) < base * 1.5


@given(st.integers(0, 9), keys)
def test_pauses_grow_until_they_are_capped(attempts: int, key: str) -> None:
    assert pause(attempts + 1, key) > pause(attempts, key)


@given(st.integers(11, 10**9), keys)
def test_no_pause_is_longer_than_nine_hours(attempts: int, key: str) -> None:
    assert SIX_HOURS <= pause(attempts, key) < SIX_HOURS * 1.5


@given(st.integers(0, 40), keys)
def test_the_same_facts_give_the_same_moment(attempts: int, key: str) -> None:
    assert next_attempt_at(NOW, attempts, key) == next_attempt_at(NOW, attempts, key)


def test_batches_that_failed_together_do_not_come_back_together() -> None:
    moments = {next_attempt_at(NOW, 5, f"2024-12-09/{i:05}") for i in range(1000)}

    assert len(moments) > 900


@given(st.integers(0, 40), keys)
def test_tests_can_shrink_every_pause(attempts: int, key: str) -> None:
    shrunk = pause(attempts, key, scale=0.001)

    assert abs(shrunk - pause(attempts, key) * 0.001) <= timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("attempts", "stop"),
    [(0, False), (ATTEMPTS_MAX - 1, False), (ATTEMPTS_MAX, True), (ATTEMPTS_MAX + 1, True)],
)
def test_tries_end_visibly(attempts: int, stop: bool) -> None:
    assert is_exhausted(attempts) is stop


@given(st.datetimes(timezones=st.just(UTC)), keys)
def test_what_waits_for_something_outside_is_looked_at_within_three_minutes(now, key: str) -> None:
    look = next_look_at(now, key) - now

    assert timedelta(minutes=2) <= look < timedelta(minutes=3)
    assert next_look_at(now, key) - now == look


def a_payout(attempts: int) -> Payout:
    return Payout(
        id=f"{A_WEEK.id}/00007",
        plan_id="plan",
        week=A_WEEK,
        kind=PayoutKind.BATCH,
        index=7,
        rewards=1,
        amount=BaseUnits(1),
        attempts=attempts,
    )


@given(st.integers(0, 2 * ATTEMPTS_MAX))
def test_a_failed_payout_is_tried_again_until_it_waits_for_a_person(attempts: int) -> None:
    payout = a_payout(attempts)

    postponed = after_failure(payout, "refused", NOW, scale=1.0)

    assert postponed.is_failure
    if attempts + 1 >= ATTEMPTS_MAX:
        assert postponed == for_a_person(payout, "refused")
        assert postponed.next_attempt_at == NEVER
    else:
        assert postponed.next_attempt_at == next_attempt_at(NOW, attempts + 1, payout.id)


REFUSED = '{"InstructionError":[3,{"Custom":17}]}'


def test_a_batch_that_was_refused_for_one_reason_until_the_end_offers_to_make_it_void() -> None:
    last = replace(a_payout(ATTEMPTS_MAX - 1), reason=REFUSED)

    postponed = after_refusal(last, REFUSED, NOW, scale=1.0)

    assert postponed.next_attempt_at == NEVER
    assert postponed.reason.startswith(REFUSED)
    assert f"`kontrib void {A_WEEK.label} 7 --reason" in postponed.reason


@pytest.mark.parametrize(
    "payout",
    [
        replace(a_payout(ATTEMPTS_MAX - 2), reason=REFUSED),
        replace(a_payout(ATTEMPTS_MAX - 1), reason="another reason"),
        replace(a_payout(ATTEMPTS_MAX - 1), reason=REFUSED, kind=PayoutKind.SINGLE),
    ],
    ids=["a try is left", "the reasons differ", "a single has no void"],
)
def test_other_refusals_offer_no_void(payout: Payout) -> None:
    expected = after_failure(payout, REFUSED, NOW, scale=1.0)
    assert after_refusal(payout, REFUSED, NOW, scale=1.0) == expected


def test_the_looks_for_a_transaction_grow_and_end() -> None:
    resolved = [replace(a_payout(tried), status=PayoutStatus.PAID) for tried in range(ATTEMPTS_MAX)]
    looks = [next_reading_at(NOW, payout, scale=1.0) for payout in resolved]
    assert looks == sorted(looks)
    assert looks[-1] == NEVER
    assert looks[-2] < NOW + timedelta(hours=12)


def test_waiting_for_an_event_is_no_failed_try() -> None:
    postponed = for_an_event(a_payout(3), "no wallet", NOW)

    assert (postponed.next_attempt_at, postponed.is_failure) == (NOW, False)


def test_the_jitter_is_that_of_the_key() -> None:
    seconds = [pause(attempts).total_seconds() for attempts in (0, 3, 12)]
    looks = [next_look_at(NOW, "2024-12-09", scale=scale) - NOW for scale in (1.0, 0.5)]

    assert seconds == [16.113968, 155.706482, 32375.280762]
    assert [look.total_seconds() for look in looks] == [139.453125, 69.726562]


def test_a_postponement_keeps_its_reason_and_its_scale() -> None:
    failed = after_failure(a_payout(3), "refused", NOW, scale=0.5)

    assert failed.reason == "refused"
    assert failed.next_attempt_at == next_attempt_at(NOW, 4, a_payout(3).id, scale=0.5)
    assert for_an_event(a_payout(3), "no wallet", NOW).reason == "no wallet"


def test_a_time_ahead_is_waited_for_unless_a_fast_clock_wrote_it() -> None:
    second = timedelta(seconds=1)
    times = {
        None: False,
        NOW - second: False,
        NOW: False,
        NOW + second: True,
        NOW + AHEAD_MAX: True,
        NOW + AHEAD_MAX + second: False,
        NEVER - second: False,
        NEVER: True,
        NEVER + second: True,
    }
    assert {time: is_waiting(time, NOW) for time in times} == times


def test_a_transaction_is_looked_for_at_the_pauses_of_its_own_payout() -> None:
    payout = a_payout(3)
    expected = next_attempt_at(NOW, 4, payout.id, scale=0.5)
    resolved = replace(payout, status=PayoutStatus.PAID)
    assert next_reading_at(NOW, resolved, scale=0.5) == expected
    assert for_an_event(payout, "no funds", NOW).payout == payout


def test_the_tries_of_a_payment_are_no_looks_for_its_transaction() -> None:
    first = next_reading_at(NOW, a_payout(0), scale=1.0)
    assert next_reading_at(NOW, a_payout(ATTEMPTS_MAX - 1), scale=1.0) == first < NEVER
    assert first == next_attempt_at(NOW, 1, a_payout(0).id, scale=1.0)
