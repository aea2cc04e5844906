"""Endpoints that lie apart: heights that receipts have reached, and receipts that nobody shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from worker.core.payout.chain import Height
from worker.core.payout.looks.heights import KEPT_HEIGHTS, SeenHeights
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX, UnknownReceipts
from worker.core.plan.receipts import ReceiptState

NOW = datetime(2024, 12, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FREE, UNKNOWN = ReceiptState.FREE, ReceiptState.UNKNOWN


def height(slot: int) -> Height:
    return Height(block_height=slot - 50, slot=slot)


def test_without_a_lag_the_newest_height_is_usable() -> None:
    seen = SeenHeights()
    seen.receipts_read_at(1)  # before any height, an answer says nothing

    assert seen.usable(height(100)) == height(100)
    assert seen.usable(height(101)) == height(101)
    seen.receipts_read_at(101)
    assert seen.usable(height(102)) == height(102)


def test_a_height_is_usable_that_the_receipts_have_reached() -> None:
    seen = SeenHeights()
    for slot in (100, 103, 106):
        seen.usable(height(slot))
    seen.receipts_read_at(103)

    assert seen.usable(height(106)) == height(103)
    assert seen.usable(height(107)) == height(103)
    assert seen.usable(height(109)) == height(106)


def test_a_smaller_lag_counts_slot_by_slot_and_a_larger_one_at_once() -> None:
    seen = SeenHeights()
    for slot in range(100, 111):
        seen.usable(height(slot))
    seen.receipts_read_at(105)
    assert seen.usable(height(110)) == height(105)
    seen.receipts_read_at(110)
    assert seen.usable(height(110)) == height(106)
    seen.receipts_read_at(120)
    assert seen.usable(height(110)) == height(107)
    seen.receipts_read_at(102)
    assert seen.usable(height(110)) == height(102)


def test_without_a_majority_the_newest_of_the_seen_heights_is_used() -> None:
    seen = SeenHeights()
    assert seen.usable(None) is None
    for slot in (100, 101, 102):
        seen.usable(height(slot))
    assert seen.usable(None) == height(102)
    seen.receipts_read_at(101)
    assert seen.usable(None) == height(101)


def test_before_the_first_height_the_oldest_one_is_used() -> None:
    seen = SeenHeights()
    for slot in (100, 101):
        seen.usable(height(slot))
    seen.receipts_read_at(90)

    assert seen.usable(height(102)) == height(100)


def test_an_older_or_equal_height_is_not_kept_twice() -> None:
    seen = SeenHeights()
    seen.usable(height(100))
    for _ in range(KEPT_HEIGHTS + 1):
        seen.usable(height(101))
        seen.usable(height(90))
    seen.receipts_read_at(100)

    assert seen.usable(height(101)) == height(100)


def test_a_process_that_runs_for_years_keeps_the_last_heights_only() -> None:
    seen = SeenHeights()
    for slot in range(100, 150 + KEPT_HEIGHTS):
        seen.usable(height(slot))

    assert seen.usable(height(120)) == height(150)  # from a node that lies far behind


def test_a_receipt_is_late_once_it_is_unknown_for_longer_than_allowed() -> None:
    receipts = UnknownReceipts()

    assert receipts.look({"a": UNKNOWN, "b": FREE}, NOW) == set()
    assert receipts.ids == {"a"}
    assert receipts.look({"a": UNKNOWN, "b": UNKNOWN}, NOW + UNKNOWN_MAX) == set()
    assert receipts.look({"a": UNKNOWN, "b": UNKNOWN}, NOW + UNKNOWN_MAX + SECOND) == {"a"}
    assert receipts.ids == {"a", "b"}


def test_a_receipt_that_was_read_begins_again_and_one_that_was_not_asked_for_does_not() -> None:
    receipts = UnknownReceipts()
    receipts.look({"read": UNKNOWN, "not asked": UNKNOWN}, NOW)
    receipts.look({"read": FREE}, NOW + SECOND)
    assert receipts.ids == set()

    later = NOW + UNKNOWN_MAX + SECOND
    assert receipts.look({"read": UNKNOWN, "not asked": UNKNOWN}, later) == {"not asked"}


def test_while_too_few_report_a_height_the_last_one_stays() -> None:
    seen = SeenHeights()
    assert seen.usable(None) is None
    for slot in (100, 110):
        seen.usable(Height(slot - 50, slot))
    assert seen.usable(None) == Height(60, 110)
    seen.receipts_read_at(105)
    assert seen.usable(None) == Height(50, 100)
    assert seen.usable(Height(65, 115)) == Height(60, 110)
