"""The comparison of a payout's plan, record, receipt and transaction.

`reconcile`, `verify` and `check` read these from different places and compare them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.core.findings import Check
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.intent import sums_by_wallet
from worker.core.plan.receipts import ReceiptState

RESOLVED: Mapping[ReceiptState, PayoutStatus] = {
    ReceiptState.PAID: PayoutStatus.PAID,
    ReceiptState.VOID: PayoutStatus.VOID,
}
UNREADABLE_RECEIPT = "its receipt cannot be read, or endpoints disagree"


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """A payout as the database or a bundle lists it. `signature` is empty where none is known."""

    id: str
    signature: str = ""
    slot: int | None = None


def receipt_of(status: object) -> ReceiptState:
    """The state that the receipt of a payout with this status must have."""
    return next((state for state, each in RESOLVED.items() if each == status), ReceiptState.FREE)


def compare_receipt(
    subject: str, found: ReceiptState, expected: ReceiptState, why: str, check: Check
) -> None:
    """Add a finding unless the receipt has the expected state. `why` explains the expectation."""
    if found is ReceiptState.UNKNOWN:
        check.unproven(subject, UNREADABLE_RECEIPT)
    elif found is not expected:
        check.wrong(subject, f"its receipt is {found.value} on chain", f"{expected.value} {why}")


def compare_transaction(
    recorded: RecordedPayment, found: Execution | None, planned: Sequence[Transfer], check: Check
) -> None:
    """Compare the transaction that resolved a payout with its record and with the plan.

    `planned`: the transfers of the payout, none for a void batch.
    """
    subject = recorded.id
    if found is None:
        check.unproven(subject, "no endpoint returns the transaction that resolved it")
        return
    # A transaction can make many receipts and has one memo, so it counts for one id only.
    check.expect(subject, "the memo of its transaction", subject, found.memo)
    if recorded.signature:
        check.expect(subject, "the signature", found.signature, recorded.signature)
        check.expect(subject, "the slot", found.slot, recorded.slot)
    expected, moved = sums_by_wallet(planned), sums_by_wallet(found.transfers)
    for wallet in sorted(expected.keys() | moved.keys()):
        if expected[wallet] != moved[wallet]:
            what = f"{found.signature} moved {moved[wallet]} to {wallet}"
            check.wrong(subject, what, str(expected[wallet]))
    total = sum(transfer.amount for transfer in planned)
    check.expect(subject, "the decrease of the source account", total, found.source_decrease)


def recipient_of(found: Execution) -> str:
    """The wallet that a single was paid to; empty if nothing was moved.

    If several wallets were paid, the first by name. The comparison then finds the others.
    """
    return min((transfer.wallet for transfer in found.transfers), default="")
