"""Reads the receipts on which planning and paying stand: those of the genesis and of a root."""

from __future__ import annotations

from collections.abc import Sequence

from worker.core.plan.receipts import ReceiptState
from worker.services.context import Context


def founding_receipts(context: Context, ids: Sequence[str]) -> dict[str, ReceiptState]:
    """The states of these receipts. Paid ones are remembered for some minutes."""
    now = context.clock.now()
    if context.paid_receipts.are_known(ids, now):
        return dict.fromkeys(ids, ReceiptState.PAID)
    states = context.chain.receipts(ids)
    context.paid_receipts.note(states, now)
    return states
