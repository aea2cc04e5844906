"""Nothing is sent again before a node can show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.core.strategies import A_WEEK
from worker.core.money import BaseUnits
from worker.core.payout.looks.last_sends import RESEND_AFTER, LastSends
from worker.core.payout.records import Payout, PayoutKind

NOW = datetime(2024, 12, 16, 1, tzinfo=UTC)
PAYOUTS = [
    Payout(f"2024-12-09/0000{index}", "plan", A_WEEK, PayoutKind.BATCH, index, 1, BaseUnits(1))
    for index in range(2)
]


def test_what_another_call_sent_is_due_at_once() -> None:
    assert LastSends().due(PAYOUTS, NOW) == PAYOUTS


def test_what_was_sent_just_now_is_due_a_while_later() -> None:
    sends = LastSends()
    sends.note(PAYOUTS[:1], NOW)

    assert sends.due(PAYOUTS, NOW) == PAYOUTS[1:]
    assert sends.due(PAYOUTS, NOW + RESEND_AFTER - timedelta(milliseconds=1)) == PAYOUTS[1:]
    assert sends.due(PAYOUTS, NOW + RESEND_AFTER) == PAYOUTS


def test_a_sending_leaves_the_times_of_the_others() -> None:
    sends = LastSends()
    sends.note(PAYOUTS[:1], NOW)
    sends.note(PAYOUTS[1:], NOW)

    assert sends.due(PAYOUTS, NOW) == []


def test_a_clock_that_was_set_back_delays_nothing() -> None:
    sends = LastSends()
    sends.note(PAYOUTS, NOW)

    assert sends.due(PAYOUTS, NOW - timedelta(hours=1)) == PAYOUTS
