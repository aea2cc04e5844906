"""What to do next with a payout, from facts alone. This is where "at most once" is decided.

The facts must have been read in this order: the finalized block height, then the receipt at a
slot not before it. So when an attempt's last valid height has passed and the receipt is free,
that attempt can never land any more.
"""

from __future__ import annotations

import enum

from worker.core.payout.records import Attempt, Landing, SignatureStatus
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
    landing = Landing.UNSEEN if status is None else status.landing
    if landing is Landing.FAILED:
        # Executed, refused and finalized: these bytes are spent, and nothing moved.
        return Step.SIGN
    return Step.RESEND if landing is Landing.UNSEEN else Step.WAIT
