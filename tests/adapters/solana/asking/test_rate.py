"""How many calls a second an endpoint gets after it refused some."""

from __future__ import annotations

import asyncio

import pytest

from worker.adapters.solana.rpc import concurrency
from worker.adapters.solana.rpc.concurrency import RATE_MIN, CallRate


class ManualTime:
    """A time that passes only during sleep."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualTime:
    clock = ManualTime()
    monkeypatch.setattr(concurrency, "time", clock)
    monkeypatch.setattr(concurrency.asyncio, "sleep", clock.sleep)
    monkeypatch.setattr(concurrency, "is_remembered", lambda at: clock.now - at < 600)
    return clock


def turns(rate: CallRate, batches: int, calls: int, clock: ManualTime) -> float:
    """The seconds that these batches wait, one after the other."""

    async def take() -> None:
        for _ in range(batches):
            await rate.turn(calls)

    began = clock.now
    asyncio.run(take())
    return clock.now - began


def refused_after(calls: int) -> CallRate:
    rate = CallRate()
    sent_at = asyncio.run(rate.turn(calls))
    rate.answered(calls)
    rate.refused(sent_at, 0.0)
    return rate


def test_nothing_waits_before_the_first_refusal(clock: ManualTime) -> None:
    assert turns(CallRate(), 1_000, 20, clock) == 0


def test_after_a_refusal_calls_are_sent_at_the_rate_that_was_answered(clock: ManualTime) -> None:
    rate = refused_after(200)

    # The last batch may be sent before its own time, and half a second was saved.
    assert turns(rate, 91, 20, clock) == pytest.approx(90 * 20 / 180, abs=0.2)


def test_a_pause_saves_a_few_calls(clock: ManualTime) -> None:
    rate = refused_after(200)
    clock.now += 100

    assert turns(rate, 5, 20, clock) == 0
    assert turns(rate, 2, 20, clock) > 0


def test_the_wait_that_an_endpoint_asks_for_is_kept(clock: ManualTime) -> None:
    rate = CallRate()
    rate.refused(asyncio.run(rate.turn(1)), 3.0)

    assert turns(rate, 1, 1, clock) == 3.0


def test_a_refusal_never_shortens_the_pause_before_it(clock: ManualTime) -> None:
    rate = refused_after(1)
    clock.now += 1
    sent_at = asyncio.run(rate.turn(60))
    rate.refused(sent_at, 0.0)

    assert turns(rate, 1, 1, clock) > 60 / RATE_MIN - 1


def test_calls_that_were_sent_before_a_refusal_slow_down_only_once(clock: ManualTime) -> None:
    rate = CallRate()
    sent_at = asyncio.run(rate.turn(1))
    rate.answered(200)
    clock.now += 0.1
    rate.refused(sent_at, 0.0)
    clock.now += 5
    rate.refused(sent_at, 30.0)

    assert turns(rate, 1, 1, clock) == 0


def test_a_refusal_after_few_calls_does_not_stop_everything(clock: ManualTime) -> None:
    rate = refused_after(1)

    assert turns(rate, 101, 1, clock) == pytest.approx(100 / RATE_MIN, abs=0.6)


def test_the_rate_grows_with_use_slowly_at_first(clock: ManualTime) -> None:
    rate, waits = refused_after(100), []
    for _ in range(30):
        waits.append(turns(rate, 1, 90, clock))
        rate.answered(90)

    assert waits[2] == pytest.approx(1, rel=0.1)
    assert waits[-1] < 0.25


def test_a_refusal_is_forgotten_after_some_minutes(clock: ManualTime) -> None:
    rate = refused_after(100)
    clock.now += 600

    assert turns(rate, 1_000, 20, clock) == 0
