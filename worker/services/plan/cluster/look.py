"""Looks at transactions under way with as few calls as their next step needs.

Statuses alone show whether a transaction waits for finality. The height is read only if an attempt
may have expired or was refused, and a receipt only if it may be resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.core.payout.chain import SignatureStatus
from worker.core.payout.decision import may_be_resolved, needs_height
from worker.core.payout.records import Attempt
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Context

HEIGHT_NOT_READ = 0
"""At this height, no attempt has expired."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the chain shows of some receipts and their last attempts, by receipt id."""

    receipts: dict[str, ReceiptState]
    """Those of attempts under way are not read."""
    statuses: dict[str, SignatureStatus]
    block_height: int


def look_at(context: Context, attempts: Mapping[str, Attempt | None]) -> Look:
    """Look at receipts and the last attempts to resolve them.

    The height is read before the receipts, and they are read at its slot or later (see
    `core.payout.decision`).
    """
    statuses = _statuses(context, attempts)
    now, height, slot = context.clock.now(), HEIGHT_NOT_READ, 0
    if any(needs_height(attempt, statuses.get(i), now) for i, attempt in attempts.items()):
        newest = context.chain.finalized_height()
        height, slot = newest.block_height, newest.slot
    due = [i for i, it in attempts.items() if may_be_resolved(it, statuses.get(i), height)]
    receipts = context.chain.receipts(due, not_before_slot=slot) if due else {}
    return Look(receipts, statuses, height)


def _statuses(
    context: Context, attempts: Mapping[str, Attempt | None]
) -> dict[str, SignatureStatus]:
    signatures = {i: attempt.signature for i, attempt in attempts.items() if attempt}
    asked = list(dict.fromkeys(signatures.values()))
    found = dict(zip(asked, context.chain.statuses(asked), strict=True)) if asked else {}
    context.pace.look(list(found.values()), context.clock.now())
    return {i: found[signature] for i, signature in signatures.items()}
