"""Reads the plan that is anchored for a week: from its published file, or from the chain's memo.

A file needs no history: the receipt of its root proves that exactly this plan is anchored.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.core.chunks import chunks
from worker.core.errors import NotReady
from worker.core.plan.commitment import Header, MalformedPlan, PlanDoesNotMatchRoot
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import ReceiptState, anchor_id, anchor_ids
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.cluster.find_execution import find_execution
from worker.services.plan.publish import published_header

ROOTS_A_READ = 500


class AnchorUnreadable(NotReady):
    """A week is anchored, and neither its file nor its transaction can be read."""

    def __init__(self, week: Week, *, goes_on: bool = False) -> None:
        how = (
            "many transactions mention its receipt, and the next try reads on"
            if goes_on
            else "no endpoint returns the transaction"
        )
        super().__init__(
            f"{week.label} is anchored on chain, but {how}. Copy the published plan of the week "
            "to PLAN_ARCHIVE_URL, or add an endpoint with full history to SOLANA_RPC_URL; the "
            "sweeper continues by itself."
        )


def read_anchor(context: Context, week: Week) -> AnchorMemo:
    """The facts of a week's anchor, proven by the root's receipt.

    Raises:
        AnchorUnreadable: there is no file of the anchored plan, and its transaction cannot be read.
    """
    for root in _anchored_roots(context, week):
        if (header := _header(context, week, root)) is not None:
            return AnchorMemo.of(header, root)
    execution, goes_on = find_execution(context, anchor_id(week))
    if execution is None:
        raise AnchorUnreadable(week, goes_on=goes_on)
    memo = AnchorMemo.parse(execution.memo)
    _, root_id = anchor_ids(week, memo.root)
    if context.chain.receipts([root_id])[root_id] is not ReceiptState.PAID:
        raise AnchorUnreadable(week)
    return memo


def _anchored_roots(context: Context, week: Week) -> Iterator[bytes]:
    """The roots of published files whose receipt is paid: one at most, unless a key was stolen."""
    for roots in chunks(context.archive.roots(week), ROOTS_A_READ):
        ids = {anchor_ids(week, root)[1]: root for root in roots}
        states = context.chain.receipts(list(ids))
        yield from (ids[i] for i, state in states.items() if state is ReceiptState.PAID)


def _header(context: Context, week: Week, root: bytes) -> Header | None:
    """The header of a published plan; None if the file is missing or was changed."""
    try:
        return published_header(context, week, root)
    except (MalformedPlan, PlanDoesNotMatchRoot):
        return None
