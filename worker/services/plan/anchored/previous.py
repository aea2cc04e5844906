"""Reads what a plan takes over from the plan before it, as the chain confirms it."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import NotReady
from worker.core.plan.commitment import Header, MalformedPlan, PlanDoesNotMatchRoot
from worker.core.plan.receipts import ReceiptState, anchor_id, anchor_ids
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.anchored.read_anchor import read_anchor
from worker.services.plan.genesis import earlier_key
from worker.services.plan.seal import stored_seal


class PreviousWeekOpen(NotReady):
    """Weeks are planned in order, and the one before is not anchored yet."""

    def __init__(self, week: Week, previous: Week) -> None:
        super().__init__(
            f"{week.label} waits for {previous.label}, which is not anchored yet. "
            f"See `kontrib status {previous.label}`."
        )


@dataclass(frozen=True, slots=True)
class Previous:
    """Facts of the plans before. `since`: the earliest week whose late contributions count."""

    since: Week
    root: bytes = b""
    """Of the week before; empty for the first week of a receipt key."""
    cutoff: int | None = None
    """The last cut-off in unix seconds; None for the first plan ever."""


def previous_plan(context: Context, week: Week, first: Week) -> Previous:
    """Root and cut-off of the week before, as the chain confirms them.

    The stored header is used if it hashes to a root that has a receipt, else the anchor.

    Raises:
        PreviousWeekOpen: the week before is not anchored at finalized on every endpoint.
        AnchorUnreadable: it is anchored, and its plan cannot be read now.
        GenesisUnreadable: another receipt key came before, or may have.
    """
    earlier = earlier_key(context, week, first)
    since = earlier.first_week if earlier else first
    if week == first:
        return Previous(since, cutoff=earlier.cutoff if earlier else None)
    before = week.previous()
    if (stored := _stored(context, before)) is not None:
        root, header = stored
        return Previous(since, root, header.cutoff)
    if context.chain.receipts([anchor_id(before)])[anchor_id(before)] is not ReceiptState.PAID:
        raise PreviousWeekOpen(week, before)
    memo = read_anchor(context, before)
    return Previous(since, memo.root, memo.cutoff)


def _stored(context: Context, week: Week) -> tuple[bytes, Header] | None:
    """Root and header in the database, if the header hashes to the root and the root is anchored.

    A stored header that was changed could move the cut-off, and count points again.
    """
    distribution = context.store.distribution(week)
    try:
        planned = distribution.planned if distribution else None
        if planned is None:
            return None
        header = stored_seal(context, planned).header
    except (MalformedPlan, PlanDoesNotMatchRoot):
        return None
    _, root_id = anchor_ids(week, planned.root)
    is_anchored = context.chain.receipts([root_id])[root_id] is ReceiptState.PAID
    return (planned.root, header) if is_anchored else None
