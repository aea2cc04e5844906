"""Pauses between looks: a transaction is looked at when it is probably final."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.core.payout.chain import Landing, SignatureStatus
from worker.core.payout.looks.pace import (
    FINALITY_SLOTS,
    LOOKS_UNSEEN,
    MEASURED_SLOTS_MIN,
    PAUSE_SECONDS_MAX,
    SLOT_SECONDS_FIRST,
    SLOT_SECONDS_MAX,
    Pace,
)

NOW = datetime(2024, 12, 16, 1, tzinfo=UTC)
SHORTEST = 0.5
UNSEEN = SignatureStatus(Landing.UNSEEN, read_at_slot=1_000)


def pending(landed: int, read: int) -> SignatureStatus:
    return SignatureStatus(Landing.PENDING, None, landed, read)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def looked(*looks: tuple[float, list[SignatureStatus]]) -> Pace:
    pace = Pace()
    for seconds, statuses in looks:
        pace.look(statuses, after(seconds))
    return pace


@pytest.mark.parametrize("statuses", [[], [UNSEEN], [pending(1_000, 1_001), UNSEEN]])
def test_what_no_node_has_seen_is_looked_at_soon(statuses: list[SignatureStatus]) -> None:
    assert looked((0, statuses)).pause_seconds(SHORTEST) == LOOKS_UNSEEN * SHORTEST


def test_before_slots_are_measured_they_count_as_short() -> None:
    pace = looked((0, [pending(1_000, 1_002)]))

    assert pace.pause_seconds(SHORTEST) == (FINALITY_SLOTS - 1) * SLOT_SECONDS_FIRST


def test_slots_are_measured_between_two_looks() -> None:
    pace = looked((0, [pending(1_000, 1_000)]), (4, [pending(1_000, 1_010)]))

    assert pace.pause_seconds(SHORTEST) == pytest.approx((FINALITY_SLOTS - 9) * 0.4)


def test_a_few_slots_are_enough_to_measure_and_fewer_are_not() -> None:
    few = looked((0, [pending(1_000, 1_000)]), (4, [pending(1_000, 1_000 + MEASURED_SLOTS_MIN)]))
    fewer = looked((0, [pending(1_000, 1_000)]), (4, [pending(1_000, 999 + MEASURED_SLOTS_MIN)]))

    left = FINALITY_SLOTS + 1 - MEASURED_SLOTS_MIN
    assert few.pause_seconds(0.01) == pytest.approx(left * 4 / MEASURED_SLOTS_MIN)
    assert fewer.pause_seconds(0.01) == pytest.approx((left + 1) * SLOT_SECONDS_FIRST)


def test_a_look_at_nothing_measures_nothing() -> None:
    pace = looked((0, []), (4, [pending(1_000, 1_000)]))

    assert pace.pause_seconds(0.01) == pytest.approx((FINALITY_SLOTS + 1) * SLOT_SECONDS_FIRST)


def test_an_overdue_transaction_is_looked_at_again_a_slot_later() -> None:
    pace = looked((0, [pending(1_000, 2_000)]))

    assert pace.pause_seconds(0.01) == pytest.approx(SLOT_SECONDS_FIRST)


def test_the_first_transaction_that_will_be_final_decides() -> None:
    statuses = [pending(1_000, 1_010), pending(1_005, 1_010)]

    assert looked((0, statuses)).pause_seconds(0.01) == pytest.approx(
        (FINALITY_SLOTS - 9) * SLOT_SECONDS_FIRST
    )


def test_a_transaction_that_is_final_leaves_the_others_their_time() -> None:
    final = SignatureStatus(Landing.FINALIZED, None, 900, 1_010)

    pace = looked((0, [final, pending(1_000, 1_010)]))

    assert pace.pause_seconds(0.01) == pytest.approx((FINALITY_SLOTS - 9) * SLOT_SECONDS_FIRST)


def test_no_pause_is_shorter_than_the_shortest_or_very_long() -> None:
    overdue = looked((0, [pending(1_000, 2_000)]))
    slow = looked((0, [pending(1_000, 1_000)]), (59, [pending(1_000, 1_010)]))

    assert overdue.pause_seconds(SHORTEST) == SHORTEST
    assert slow.pause_seconds(SHORTEST) == PAUSE_SECONDS_MAX
    assert PAUSE_SECONDS_MAX < (FINALITY_SLOTS - 9) * SLOT_SECONDS_MAX


@pytest.mark.parametrize("lie", [pending(10**18, 1_002), pending(1_000, 0), pending(0, 10**18)])
def test_absurd_slots_cost_a_bounded_pause(lie: SignatureStatus) -> None:
    pace = looked((0, [pending(1_000, 1_001)]), (1, [lie]), (2, [pending(1_000, 1_006)]))

    assert SHORTEST <= pace.pause_seconds(SHORTEST) <= PAUSE_SECONDS_MAX


def test_a_clock_that_was_set_back_begins_the_measuring_anew() -> None:
    pace = looked(
        (1_000, [pending(1_000, 1_000)]), (0, [pending(1_000, 1_002)]), (4, [pending(1_000, 1_012)])
    )

    assert pace.pause_seconds(0.01) == pytest.approx((FINALITY_SLOTS - 11) * 0.4)
