"""A payout's receipt and transaction are compared with its record and plan, wallet by wallet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.core.findings import Check, Outcome
from worker.core.lifecycle import PayoutStatus
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.comparison import (
    UNREADABLE_RECEIPT,
    RecordedPayment,
    compare_receipt,
    compare_transaction,
    receipt_of,
    recipient_of,
)
from worker.core.plan.receipts import ReceiptState, Resolution

BATCH = "2024-12-09/00001"
PLANNED = [Transfer("ada", BaseUnits(3)), Transfer("bob", BaseUnits(4))]
PAID = Execution(
    receipt=BATCH,
    resolution=Resolution.PAID,
    signature="sig",
    slot=9,
    fee=Lamports(5000),
    memo=BATCH,
    transfers=tuple(PLANNED),
    source="treasury",
    source_decrease=BaseUnits(7),
)


def found(execution: Execution | None, recorded: RecordedPayment | None = None) -> list[str]:
    check = Check("chain")
    compare_transaction(recorded or RecordedPayment(BATCH, "sig", 9), execution, PLANNED, check)
    return [str(finding) for finding in check.findings]


def test_a_payment_as_planned_and_recorded_has_no_finding() -> None:
    assert found(PAID) == []
    assert found(replace(PAID, transfers=tuple(reversed(PLANNED)))) == []
    assert found(PAID, RecordedPayment(BATCH)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"memo": "another"}, "the memo of its transaction is another"),
        ({"source_decrease": BaseUnits(8)}, "the decrease of the source account is 8, expected 7"),
        ({"signature": "other"}, "the signature is sig, expected other"),
        ({"slot": 10}, "the slot is 9, expected 10"),
    ],
)
def test_each_contradiction_is_named(change: dict[str, object], named: str) -> None:
    (only,) = found(replace(PAID, **change))
    assert f"{BATCH}: {named}" in only


def test_every_wallet_that_got_another_amount_is_named() -> None:
    moved = (Transfer("ada", BaseUnits(2)), Transfer("eve", BaseUnits(5)))
    assert found(replace(PAID, transfers=moved)) == [
        f"chain, {BATCH}: sig moved 2 to ada, expected 3",
        f"chain, {BATCH}: sig moved 0 to bob, expected 4",
        f"chain, {BATCH}: sig moved 5 to eve, expected 0",
    ]


def test_a_transaction_that_cannot_be_read_proves_nothing() -> None:
    check = Check("chain")
    compare_transaction(RecordedPayment(BATCH), None, PLANNED, check)
    assert (check.outcome, check.wrong_count) == (Outcome.UNPROVEN, 0)


@pytest.mark.parametrize("expected", [ReceiptState.FREE, ReceiptState.PAID, ReceiptState.VOID])
@pytest.mark.parametrize("state", list(ReceiptState))
def test_a_receipt_fits_only_its_own_state(state: ReceiptState, expected: ReceiptState) -> None:
    check = Check("chain")
    compare_receipt(BATCH, state, expected, "", check)
    if state is ReceiptState.UNKNOWN:
        assert check.outcome is Outcome.UNPROVEN
    else:
        assert check.ok is (state is expected)


def test_only_a_resolved_payout_has_a_receipt() -> None:
    states = {status: receipt_of(status) for status in PayoutStatus}
    assert states == {
        PayoutStatus.PENDING: ReceiptState.FREE,
        PayoutStatus.PROCESSING: ReceiptState.FREE,
        PayoutStatus.PAID: ReceiptState.PAID,
        PayoutStatus.VOID: ReceiptState.VOID,
    }
    assert receipt_of("not recorded") is receipt_of(None) is ReceiptState.FREE


def test_a_payment_that_moved_nothing_has_no_recipient() -> None:
    assert recipient_of(replace(PAID, transfers=())) == ""
    assert recipient_of(replace(PAID, transfers=(PLANNED[1],))) == "bob"


def test_a_finding_names_the_receipt_and_both_of_its_states() -> None:
    check = Check("chain")
    compare_receipt(BATCH, ReceiptState.FREE, ReceiptState.PAID, "as recorded", check)
    compare_receipt(BATCH, ReceiptState.UNKNOWN, ReceiptState.PAID, "as recorded", check)
    compare_transaction(RecordedPayment(BATCH), None, PLANNED, check)
    assert [str(finding) for finding in check.findings] == [
        f"chain, {BATCH}: its receipt is free on chain, expected paid as recorded",
        f"chain, {BATCH}: {UNREADABLE_RECEIPT}",
        f"chain, {BATCH}: no endpoint returns the transaction that resolved it",
    ]
