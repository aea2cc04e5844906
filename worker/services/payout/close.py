"""Closes a week once every batch is resolved, and plan, database and chain agree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from worker.core.chunks import chunks
from worker.core.errors import NotReady, Refused
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.records import Distribution, Payout, PayoutKind, Reward
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.ahead import meanwhile, side_by_side
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.pages import payout_pages
from worker.services.payout.read_again import read_again, read_charges, unread_payouts, write_back
from worker.services.payout.reconcile import CHUNK_PAYOUTS, Reconciliation, reconcile
from worker.services.payout.settle import settle_from_chain
from worker.services.plan.planned_week import plan_of
from worker.services.plan.seal import anchored_seal

RECORDED_AT_ONCE = 400
"""Accounts that one write records as made."""


class StillOpen(NotReady):
    """Batches are not resolved yet."""

    def __init__(self, week: Week, unresolved: int) -> None:
        super().__init__(
            f"{week.label} has {counted(unresolved, 'batch', 'batches')} not resolved yet."
        )


class TransactionsUnread(NotReady):
    """Payouts are resolved, and no endpoint returns their transactions yet."""

    def __init__(self, week: Week, unread: Sequence[Payout]) -> None:
        named = f", such as {unread[0].id} ({unread[0].reason})" if unread else ""
        super().__init__(
            f"{week.label} is paid, and waits for {counted(len(unread), 'transaction')} that "
            f"no endpoint returns yet{named}. It goes on by itself. "
            "If this lasts, add an endpoint with full history to SOLANA_RPC_URL, and run "
            f"`kontrib retry {week.label}`."
        )


class BooksUnproven(NotReady):
    """Nothing differs, and not everything can be read from the chain now."""

    def __init__(self, result: Reconciliation) -> None:
        listed = "; ".join(result.differences[:3])
        super().__init__(f"{result.sentence()}. The week closes by itself. {listed}")


class BooksDisagree(Refused):
    """Plan, database and chain do not agree; the week stays open."""

    def __init__(self, result: Reconciliation) -> None:
        self.result = result
        listed = "\n".join(f"  {line}" for line in result.differences[:10])
        super().__init__(
            f"{result.sentence()}. Look with `kontrib reconcile {result.week.label}`.\n{listed}"
        )


def close_week(context: Context, distribution: Distribution) -> Reconciliation:
    """Complete a week whose payouts are all resolved.

    Raises:
        NotPlanned: the week has no plan.
        StillOpen: some payouts are not resolved.
        TransactionsUnread, BooksUnproven: not everything can be read now. Nothing differs.
        BooksDisagree: plan, database and chain differ.
    """
    planned = plan_of(distribution.week, distribution)
    week, plan_id = planned.week, planned.plan_id
    counts = context.store.batch_counts(plan_id)
    unresolved = counts[PayoutStatus.PENDING] + counts[PayoutStatus.PROCESSING]
    if unresolved:
        raise StillOpen(week, unresolved)
    _settle_again(context, planned)
    _read_transactions(context, planned)
    with meanwhile(partial(_record_accounts_made, context, planned)) as recorded:
        read_charges(context, week)
        result = reconcile(context, distribution)
    recorded.result()
    if result.is_unproven:
        raise BooksUnproven(result)
    record_reconciliation(context, result)
    if not result.is_exact:
        raise BooksDisagree(result)
    context.store.discard_other_plans(week, plan_id)
    now = context.clock.now()
    context.store.advance(week, plan_id, Stage.PREPARED, Stage.COMPLETED, completed_at=now)
    return result


def _settle_again(context: Context, planned: PlannedWeek) -> None:
    """Settle rewards that are `processing` although every payout is resolved.

    A slow worker can mark rewards after another worker has settled them.
    """
    if not context.store.count_processing(planned.plan_id):
        return
    rows = AnchoredRows(context, planned, anchored_seal(context, planned))
    for page in payout_pages(context.store, planned.plan_id, CHUNK_PAYOUTS):
        settle_from_chain(rows, [p for p in page if p.kind is not PayoutKind.ANCHOR])


def _read_transactions(context: Context, planned: PlannedWeek) -> None:
    """Complete the records of payouts whose transaction was not readable when they were settled.

    Raises:
        TransactionsUnread: some are not readable yet.
    """
    read_again(context, planned, due=context.clock.now())
    if unread := unread_payouts(context, planned):
        raise TransactionsUnread(planned.week, unread)
    write_back(context, planned)  # reads the whole week, so only when nothing waits for its look


def record_reconciliation(context: Context, result: Reconciliation) -> None:
    """Write a reconciliation's sums onto the distribution, for readers and metrics."""
    facts = {
        "at": context.clock.now(),
        "planned": result.planned,
        "database_paid": result.database_paid,
        "chain_paid": result.chain_paid,
        "mismatch": result.mismatch,
        "differences": result.differences,
        "fees": result.fees,
    }
    context.store.record_notes(result.week, reconciliation=facts)


def _record_accounts_made(context: Context, planned: PlannedWeek) -> None:
    """Record the accounts that we created and paid into. We never create them again."""

    def record(rewards: Sequence[Reward]) -> None:
        paid = [(r.user_id, r.row.wallet) for r in rewards if r.status is Status.COMPLETED]
        context.store.mark_accounts_made(paid, context.clock.now())

    rewards = context.store.rewards_needing_account(planned.plan_id)
    side_by_side(record, chunks(rewards, RECORDED_AT_ONCE))
