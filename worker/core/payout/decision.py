"""Decides the next step of a payout from facts alone. This makes a payment happen at most once.

The facts must be read in this order: first the finalized block height, then the receipt at that
slot or a later one. An attempt lands at the latest in the block after its last valid height. If the
finalized height has passed the last valid height, that block is final. If the receipt is then free,
the attempt can never land.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta

from worker.core.payout.chain import Landing, Recipient, SignatureStatus
from worker.core.payout.records import Attempt, Payout
from worker.core.plan.receipts import ReceiptState

YOUNG = timedelta(seconds=20)
"""A blockhash lives longer on every cluster. A late look at the height costs nothing but time."""


class Step(enum.Enum):
    SETTLE_PAID = "settle as paid"
    SETTLE_VOID = "settle as void"
    WAIT = "wait"
    RESEND = "send the same bytes again"
    SIGN = "sign anew"


def next_step(
    receipt: ReceiptState | None,
    attempt: Attempt | None,
    status: SignatureStatus | None,
    finalized_block_height: int,
) -> Step:
    """Decide from the receipt first, since only the receipt is final.

    `receipt` is None if it was not read: its attempt is under way, and nothing is signed.
    """
    if receipt is ReceiptState.PAID:
        return Step.SETTLE_PAID
    if receipt is ReceiptState.VOID:
        return Step.SETTLE_VOID
    if receipt is ReceiptState.UNKNOWN:
        return Step.WAIT
    if attempt is None:
        return Step.SIGN
    if receipt is not None and finalized_block_height > attempt.last_valid_block_height:
        return Step.SIGN
    if receipt is not None and is_refused(status):
        # These bytes are spent, and nothing moved.
        return Step.SIGN
    unseen = status is None or status.landing is Landing.UNSEEN
    return Step.RESEND if unseen else Step.WAIT


def is_refused(status: SignatureStatus | None) -> bool:
    """Whether the chain executed and refused a transaction, at finalized."""
    return status is not None and status.landing is Landing.FAILED


def may_be_resolved(
    attempt: Attempt | None, status: SignatureStatus | None, finalized_block_height: int
) -> bool:
    """Whether the receipt must be read. False while an attempt is still under way."""
    if attempt is None or finalized_block_height > attempt.last_valid_block_height:
        return True
    return status is not None and status.landing in (Landing.FINALIZED, Landing.FAILED)


def needs_height(attempt: Attempt | None, status: SignatureStatus | None, now: datetime) -> bool:
    """Whether a next step may need the finalized block height.

    A young attempt that has landed waits for finality, and cannot have expired. A time ahead of
    `now` is of another clock, and says nothing about the age.
    """
    if attempt is None or status is None or status.landing in (Landing.UNSEEN, Landing.FAILED):
        return True
    return not timedelta() <= now - attempt.created_at < YOUNG


def pauses_after_refusal(payout: Payout) -> bool:
    """Whether a payment that the chain refused is postponed before it is signed anew.

    False if the payment was already postponed after its last attempt: signing clears the time of
    the next try. Two times are not compared, because a clock may have been set back in between.
    """
    return payout.attempt is not None and payout.next_attempt_at is None


def must_be_void(recipients: Sequence[Recipient], *, refused: bool) -> bool:
    """Whether a batch of these recipients is voided, so that its rewards can be paid alone.

    `refused`: the chain executed and refused the batch's payment. A missing account counts only
    then, because an endpoint that lags does not show a new account. A problem with an account
    that exists counts at once, because the chain would pay an account that has a new owner.
    """
    if any(recipient.problem is not None for recipient in recipients):
        return True
    return refused and any(not recipient.account_exists for recipient in recipients)
