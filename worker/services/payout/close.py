"""Close a week: every batch resolved, every reward paid, held or failed, and the books agree."""

from __future__ import annotations

from worker.core.errors import NotReady, Refused
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.records import Distribution, PayoutKind
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.payout.intents import Payer
from worker.services.payout.reconcile import CHUNK_PAYOUTS, Reconciliation, reconcile
from worker.services.payout.settle import settle_from_chain
from worker.services.plan.planned_week import plan_of
from worker.services.plan.seal import anchored_seal

CHUNK_REWARDS = 5000


class StillOpen(NotReady):
    """Batches are not resolved yet."""

    def __init__(self, week: Week, unresolved: int) -> None:
        super().__init__(f"{week.label} has {unresolved} batches that are not resolved yet.")


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
        StillOpen: some are not.
        BooksDisagree: plan, database and chain differ.
    """
    week, plan_id = distribution.week, distribution.plan_id or ""
    counts = context.store.batch_counts(plan_id)
    unresolved = counts.get(PayoutStatus.PENDING, 0) + counts.get(PayoutStatus.PROCESSING, 0)
    if unresolved:
        raise StillOpen(week, unresolved)
    _settle_again(context, distribution)
    _record_accounts_made(context, plan_id)
    result = reconcile(context, distribution)
    record_reconciliation(context, result)
    if not result.is_exact:
        raise BooksDisagree(result)
    context.store.discard_other_plans(week, plan_id)
    now = context.clock.now()
    context.store.advance(week, plan_id, Stage.PREPARED, Stage.COMPLETED, completed_at=now)
    return result


def _settle_again(context: Context, distribution: Distribution) -> None:
    """Rewards that are `processing` though every payout is resolved: somebody who was very slow
    marked them after another had settled them."""
    plan_id = distribution.plan_id or ""
    processing = context.store.progress(plan_id).rewards.get(Status.PROCESSING)
    if processing is None or not processing.count:
        return
    planned = plan_of(distribution.week, distribution)
    payer = Payer(context, planned, anchored_seal(context, planned), Deadline(context.clock, 0))
    after = ""
    while chunk := context.store.payouts_after(plan_id, after, CHUNK_PAYOUTS):
        paying = [p for p in chunk if p.kind is not PayoutKind.ANCHOR]
        settle_from_chain(context, payer, paying)
        after = chunk[-1].id


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


def _record_accounts_made(context: Context, plan_id: str) -> None:
    """A payment into an account that we created proves that it was made: never again for free."""
    position = -1
    while rewards := context.store.rewards_needing_account(plan_id, position, CHUNK_REWARDS):
        paid = [r.user_id for r in rewards if r.status is Status.COMPLETED]
        context.store.mark_accounts_made(paid, context.clock.now())
        position = rewards[-1].position
