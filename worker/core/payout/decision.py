"""Decides the next step of a payout from facts alone. This makes a payment happen at most once.

The facts must have been read in this order: the finalized block height, then the receipt at a
slot not before it. So when an attempt's last valid height has passed and the receipt is free,
that attempt can never land any more.
"""

from __future__ import annotations

import enum

from worker.core.payout.chain import Landing, SignatureStatus
from worker.core.payout.records import Attempt, Payout
from worker.core.plan.receipts import ReceiptState


class Step(enum.Enum):
    SETTLE_PAID = "settle as paid"
    SETTLE_VOID = "settle as void"
    WAIT = "wait"
    RESEND = "send the same bytes again"
    SIGN = "sign anew"


def next_step(
    receipt: ReceiptState,
    attempt: Attempt | None,
    status: SignatureStatus | None,
    finalized_block_height: int,
) -> Step:
    """Decide from the receipt first, since it alone is the chain's final word."""
    if receipt is ReceiptState.PAID:
        return Step.SETTLE_PAID
    if receipt is ReceiptState.VOID:
        return Step.SETTLE_VOID
    if receipt is ReceiptState.UNKNOWN:
        return Step.WAIT
    if attempt is None:
        return Step.SIGN
    if finalized_block_height > attempt.last_valid_block_height:
        return Step.SIGN
    if is_refused(status):
        # These bytes are spent, and nothing moved.
        return Step.SIGN
    unseen = status is None or status.landing is Landing.UNSEEN
    return Step.RESEND if unseen else Step.WAIT


def is_refused(status: SignatureStatus | None) -> bool:
    """Whether the chain executed and refused a transaction, finally."""
    return status is not None and status.landing is Landing.FAILED


def may_be_resolved(
    attempt: Attempt | None, status: SignatureStatus | None, finalized_block_height: int
) -> bool:
    """Whether the receipt is worth reading: no attempt is still under way."""
    if attempt is None or finalized_block_height > attempt.last_valid_block_height:
        return True
    return status is not None and status.landing in (Landing.FINALIZED, Landing.FAILED)


def pauses_after_refusal(payout: Payout) -> bool:
    """Whether a payment that the chain refused is postponed before it is signed anew.

    False once it was postponed since its last attempt: then this is the later try.
    """
    attempt, again = payout.attempt, payout.next_attempt_at
    return attempt is not None and (again is None or again <= attempt.created_at)
