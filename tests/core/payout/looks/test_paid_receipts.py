"""Which paid receipts a process need not read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from worker.core.payout.looks.paid_receipts import REMEMBERED, PaidReceipts
from worker.core.plan.receipts import ReceiptState

NOW = datetime(2024, 12, 16, 1, tzinfo=UTC)


def test_only_paid_receipts_are_remembered() -> None:
    receipts = PaidReceipts()
    receipts.note({state.value: state for state in ReceiptState}, NOW)

    assert [state for state in ReceiptState if receipts.are_known([state.value], NOW)] == [
        ReceiptState.PAID
    ]


def test_all_of_them_must_be_known() -> None:
    receipts = PaidReceipts()
    receipts.note({"a": ReceiptState.PAID}, NOW)

    assert not receipts.are_known(["a", "b"], NOW)
    receipts.note({"b": ReceiptState.PAID}, NOW)
    assert receipts.are_known(["a", "b"], NOW)


def test_they_are_read_again_after_some_minutes_or_by_another_clock() -> None:
    receipts = PaidReceipts()
    receipts.note({"a": ReceiptState.PAID}, NOW)

    assert receipts.are_known(["a"], NOW + REMEMBERED - timedelta(seconds=1))
    assert not receipts.are_known(["a"], NOW + REMEMBERED)
    assert not receipts.are_known(["a"], NOW - timedelta(seconds=1))
