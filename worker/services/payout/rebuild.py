"""Rebuild a week from the receipt key, the chain and the published plan, with an empty database.

The published file is verified against the anchored root, and payments are written back. Open
payouts then continue. Without the file, payments are recovered by wallet, and the rest waits for a
person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.core.chunks import chunks
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.payout.chain import Transfer
from worker.core.payout.comparison import RESOLVED
from worker.core.payout.records import Payout, PayoutKind, Settlement
from worker.core.payout.single import single_payout
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import BatchId, ReceiptState, single_id
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.pages import payout_pages
from worker.services.payout.settle import settle_from_chain
from worker.services.plan.adopt import adopt_anchored_plan, check_file
from worker.services.plan.anchor import anchor_week
from worker.services.plan.anchored.read_anchor import read_anchor
from worker.services.plan.genesis import first_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal

CHUNK = 500


@dataclass(frozen=True, slots=True)
class PaidTransfer:
    """One transfer on the chain, from a week whose plan is missing."""

    batch: str
    signature: str
    slot: int
    transfer: Transfer


@dataclass(slots=True)
class Rebuilt:
    """Counts of the payouts that were written back. `amount` is in base units."""

    week: Week
    root: bytes
    payouts: int = 0
    paid: int = 0
    void: int = 0
    open: int = 0
    amount: int = 0


@dataclass(slots=True)
class RecoveredByWallet:
    """The payments of a week whose plan is missing, read from the chain alone."""

    memo: AnchorMemo
    location: str
    paid: list[PaidTransfer] = field(default_factory=list)
    void_batches: int = 0
    open_batches: int = 0
    unreadable_batches: int = 0
    """Paid batches whose transaction no endpoint returns now."""

    @property
    def missing(self) -> int:
        """Base units of the plan that no readable payment of a batch has moved."""
        return self.memo.total_amount - sum(entry.transfer.amount for entry in self.paid)


def rebuild_week(context: Context, week: Week, deadline: Deadline) -> Rebuilt:
    """Replace the stored records of a week from the chain and the published plan.

    Signs nothing: the sweeper continues with open payouts. Operators' holds and redirects stay.

    Raises:
        NoGenesis, AnchorUnreadable: the genesis or the anchor cannot be read.
        AnchoredPlanMissing: the plan is not published. Use `recover_by_wallet`.
        PlanDoesNotMatchRoot: the published file was changed.
    """
    first, memo = first_week(context), read_anchor(context, week)
    check_file(context, week, memo.root)  # before any record is removed
    known = context.store.distribution(week)
    if known is not None and known.plan_id is not None:
        # Remains of an earlier rebuild. The current marks of operators are on this plan's rewards.
        context.store.discard_other_plans(week, known.plan_id)
    context.store.reset_week(week, context.clock.now())
    adopt_anchored_plan(context, week, first)
    anchor_week(context, week, deadline)
    planned = planned_week(context.store, week)
    rows = AnchoredRows(context, planned, anchored_seal(context, planned))
    rebuilt = Rebuilt(week, memo.root)
    for page in payout_pages(context.store, planned.plan_id, CHUNK):
        batches = [p for p in page if p.kind is PayoutKind.BATCH]
        _count(rebuilt, batches, settle_from_chain(rows, batches))
    _write_back_singles(context, rows, rebuilt)
    context.store.discard_other_plans(week, planned.plan_id, lost_too=True)
    return rebuilt


def _count(rebuilt: Rebuilt, payouts: Sequence[Payout], settlements: Sequence[Settlement]) -> None:
    paid = [s for s in settlements if s.status is PayoutStatus.PAID]
    rebuilt.payouts += len(payouts)
    rebuilt.paid += len(paid)
    rebuilt.void += len(settlements) - len(paid)
    rebuilt.open += len(payouts) - len(settlements)
    rebuilt.amount += sum(s.payout.amount for s in paid)


def _write_back_singles(context: Context, rows: AnchoredRows, rebuilt: Rebuilt) -> None:
    """Write back the rewards that were paid alone. Only their receipts prove these payments."""
    planned, header = rows.planned, rows.planned.header
    for first in range(0, header.rewards, CHUNK):
        rewards = context.store.rewards(planned.plan_id, range(first, first + CHUNK))
        alone = [r for r in rewards if r.status is not Status.COMPLETED]
        ids = {single_id(header.week, r.row.user): r for r in alone}
        states = context.chain.receipts(list(ids))
        paid = [ids[i] for i, state in states.items() if state is ReceiptState.PAID]
        singles = [single_payout(header.week, reward, reward.row.wallet) for reward in paid]
        context.store.write_payouts(singles, [b""] * len(singles))
        _count(rebuilt, singles, settle_from_chain(rows, singles))


def recover_by_wallet(context: Context, week: Week) -> RecoveredByWallet:
    """Read the payments of a week's batches from the chain, when its plan is lost.

    Raises:
        AnchorUnreadable: the anchor cannot be read.
    """
    memo = read_anchor(context, week)
    recovered = RecoveredByWallet(memo, context.archive.location(week, memo.root))
    for ids in chunks((str(BatchId(week, index)) for index in range(memo.batches)), CHUNK):
        states = context.chain.receipts(ids)
        executions = context.chain.executions([i for i in ids if states[i] in RESOLVED])
        for batch in ids:
            recovered.void_batches += states[batch] is ReceiptState.VOID
            recovered.open_batches += states[batch] not in RESOLVED
            found = executions.get(batch)
            recovered.unreadable_batches += found is None and states[batch] is ReceiptState.PAID
            if found is not None:
                recovered.paid += [
                    PaidTransfer(batch, found.signature, found.slot, t) for t in found.transfers
                ]
    return recovered
