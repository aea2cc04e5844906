"""The cost of a week: one sum for the demo, the status, the report and the year."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.cost import (
    EXPIRED_BLOCKS,
    NO_CHARGE,
    REMEMBERED_BLOCKS,
    Charge,
    OtherCharges,
    OtherTransaction,
    TransactionKind,
    charge_of,
    sum_of,
    week_cost,
)
from worker.core.money import Lamports
from worker.core.week import Week

LAST = 1_000
LAMPORTS = st.integers(0, 10**12)
SENT = OtherTransaction("sig", Week.parse("2024-W50"), TransactionKind.ACCOUNTS, LAST)
REPLACED = replace(SENT, kind=TransactionKind.REPLACED)
FOUND = Charge(Lamports(5_000), Lamports(18_000), 9)
REFUSED = Charge(Lamports(5_000), succeeded=False)


@given(LAMPORTS, st.integers(0, 100), LAMPORTS, LAMPORTS, st.integers(0, 9), LAMPORTS)
def test_the_total_is_the_sum_of_fees_and_rents(
    fees: int, receipts: int, other_fees: int, rent: int, unrecorded: int, each: int
) -> None:
    other = OtherCharges(creations=3, unread=1, fees=other_fees, rent=rent, accounts=4)
    cost = week_cost(
        payout_fees=fees,
        receipts=receipts,
        void_receipts=2,
        other=other,
        unrecorded=unrecorded,
        receipt_rent=each,
        void_receipt_rent=each + 7,
        account_rent=each,
    )
    assert cost.total == fees + other_fees + rent + (receipts + unrecorded + 2) * each + 14
    assert (cost.accounts, cost.receipts, cost.unread) == (4 + unrecorded, receipts + 2, 1)
    twice = sum_of([cost, cost])
    assert (twice.total, twice.accounts) == (2 * cost.total, 2 * cost.accounts)


def test_without_prices_only_recorded_lamports_are_known() -> None:
    other = OtherCharges(creations=1, fees=5_000, rent=18_000, accounts=9)
    known = week_cost(
        payout_fees=10_000,
        receipts=3,
        void_receipts=0,
        other=other,
        unrecorded=0,
        receipt_rent=None,
        void_receipt_rent=None,
        account_rent=None,
    )
    assert (known.fees, known.accounts_rent, known.receipts_rent) == (15_000, 18_000, None)
    assert known.total is None
    lost = week_cost(
        payout_fees=0,
        receipts=0,
        void_receipts=0,
        other=OtherCharges(),
        unrecorded=2,
        receipt_rent=1,
        void_receipt_rent=1,
        account_rent=None,
    )
    assert (lost.accounts_rent, lost.total) == (None, None)
    assert sum_of([known, lost]).accounts_rent is None
    assert sum_of([]).total == 0


@pytest.mark.parametrize("height", [0, LAST, LAST + 10**9])
def test_a_transaction_that_an_endpoint_returns_costs_what_it_says(height: int) -> None:
    assert charge_of(SENT, FOUND, height) == FOUND
    assert charge_of(REPLACED, REFUSED, height) == REFUSED


def test_a_replaced_attempt_that_succeeded_is_in_its_payouts_record() -> None:
    assert charge_of(REPLACED, FOUND, LAST) == NO_CHARGE


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (-1, None),
        (EXPIRED_BLOCKS - 1, None),
        (EXPIRED_BLOCKS, NO_CHARGE),
        (REMEMBERED_BLOCKS - 1, NO_CHARGE),
        (REMEMBERED_BLOCKS, None),
    ],
)
def test_a_transaction_that_nobody_returns_is_free_only_while_everybody_would_know_it(
    blocks: int, expected: Charge | None
) -> None:
    assert charge_of(SENT, None, LAST + blocks) == expected
