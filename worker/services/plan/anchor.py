"""Anchor a plan: make its root final on chain before the first token moves."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import NotReady
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.payout.chain import Intent
from worker.core.payout.decision import Step, next_step
from worker.core.payout.records import Distribution, Payout, Settlement
from worker.core.plan.commitment import Header, PlanDoesNotMatchRoot, Seal
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import ReceiptState, Resolution, anchor_id, anchor_ids
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.funds import Need, check_funds, week_need
from worker.services.plan.genesis import first_week
from worker.services.plan.plan_week import previous_plan
from worker.services.plan.planned_week import NotPlanned, plan_of
from worker.services.plan.publish import check_published
from worker.services.plan.seal import stored_seal
from worker.services.plan.send_until_resolved import TransactionRefused, sign_one


class ApprovalMissing(NotReady):
    """`require_approval` is on, and nobody approved the plan yet."""

    def __init__(self, week: Week) -> None:
        super().__init__(
            f"{week.label} is planned and waits for approval. Look at it with `kontrib status "
            f"{week.label}`, then run `kontrib approve {week.label}`."
        )


class PlanIsStale(NotReady):
    """A plan that is not anchored yet no longer fits the chain or the week before it."""

    def __init__(self, week: Week, why: str) -> None:
        super().__init__(f"The plan of {week.label} no longer fits: {why}. It is made again.")


@dataclass(frozen=True, slots=True)
class Anchored:
    """`signature` is None where no endpoint returns the transaction."""

    week: Week
    root: bytes
    signature: str | None
    finalized: bool


def anchor_week(context: Context, week: Week, deadline: Deadline) -> Anchored:
    """Anchor the week's plan and wait until it is final, or adopt the one that is.

    Raises:
        Paused, ApprovalMissing, FundsShort, NoGenesis, ...: before anything is signed.
        TransactionRefused: the chain executed the anchor and refused it.
    """
    while True:
        distribution = _planned(context, week)
        if distribution.root is None or distribution.stage.is_frozen:
            return Anchored(week, distribution.root or b"", distribution.signature, finalized=True)
        anchored = _step(context, distribution)
        if anchored is not None:
            return anchored
        if deadline.passed:
            return Anchored(week, distribution.root, None, finalized=False)
        context.clock.sleep(context.limits.poll_seconds)


def _planned(context: Context, week: Week) -> Distribution:
    distribution = context.store.distribution(week)
    if distribution is None or distribution.plan_id is None:
        raise NotPlanned(week)
    return distribution


def _step(context: Context, distribution: Distribution) -> Anchored | None:
    """One look at the chain, and whatever it asks for; None while it is not final."""
    week = distribution.week
    payout = context.store.payout(distribution.plan_id or "", anchor_id(week))
    try:
        seal = stored_seal(context, plan_of(week, distribution))
    except PlanDoesNotMatchRoot:
        payout = None
    if payout is None:
        raise _stale(context, distribution, "the database does not hold it whole")
    height = context.chain.finalized_height()
    ids = anchor_ids(week, seal.root)
    states = context.chain.receipts(ids, not_before_slot=height.slot)
    ours, any_plan = states[ids[1]], states[ids[0]]
    if ours is ReceiptState.PAID and any_plan is ReceiptState.PAID:
        return _record(context, distribution, seal)
    if any_plan is ReceiptState.PAID and ours is ReceiptState.FREE:
        adopt_anchored_plan(context, week, first_week(context))
        return None
    _send(context, distribution, payout, seal, any_plan, height.block_height)
    return None


def _record(context: Context, distribution: Distribution, seal: Seal) -> Anchored:
    week, plan_id = distribution.week, distribution.plan_id or ""
    found = context.chain.executions([anchor_id(week)]).get(anchor_id(week))
    signature = found.signature if found else None
    if (payout := context.store.payout(plan_id, anchor_id(week))) is not None:
        settlement = Settlement(
            payout=payout,
            status=PayoutStatus.PAID,
            signature=signature,
            slot=found.slot if found else None,
            fee=found.fee if found else None,
            verified=found is not None,
        )
        context.store.settle([settlement], context.clock.now())
    context.store.advance(week, plan_id, Stage.PLANNED, Stage.ANCHORED, signature=signature)
    return Anchored(week, seal.root, signature, finalized=True)


def _send(
    context: Context,
    distribution: Distribution,
    payout: Payout,
    seal: Seal,
    state: ReceiptState,
    block_height: int,
) -> None:
    attempt = payout.attempt
    status = context.chain.statuses([attempt.signature])[0] if attempt else None
    step = next_step(state, attempt, status, block_height)
    if step is Step.SIGN:
        if status is not None and status.error:
            raise TransactionRefused(f"the anchor of {distribution.week.label}", status.error)
        check_before_anchor(context, distribution, seal)
        attempt = sign_one(context, anchor_intent(seal))
        context.store.record_attempts([(payout, attempt)])
    if attempt is not None and step in (Step.SIGN, Step.RESEND):
        context.chain.send([(attempt.signature, attempt.wire)])


def anchor_intent(seal: Seal) -> Intent:
    """The transaction that anchors a plan: two receipts and the memo."""
    return Intent(
        receipts=anchor_ids(seal.header.week, seal.root),
        resolution=Resolution.PAID,
        memo=AnchorMemo.of(seal.header, seal.root).text(),
    )


def check_before_anchor(context: Context, distribution: Distribution, seal: Seal) -> None:
    """Everything that must hold before a plan becomes final.

    Raises:
        Paused, NoGenesis, MintUnusable, PreviousWeekOpen, PlanIsStale, PlanDoesNotMatchRoot,
        ApprovalMissing, FundsShort.
    """
    context.refuse_if_paused()
    context.chain.check_mint()
    week, header = distribution.week, seal.header
    previous = previous_plan(context, week, first_week(context))
    if previous.root != header.previous_root or header.mint != context.chain.mint:
        raise _stale(context, distribution, "it does not follow the anchored week before it")
    if header.batch_size > context.chain.costs().transfers_per_transaction:
        raise _stale(context, distribution, "its batches are larger than every endpoint accepts")
    check_published(context, seal)
    if context.rules().require_approval and not distribution.approved:
        raise ApprovalMissing(week)
    check_funds(context, week, _need(context, distribution, header))


def _stale(context: Context, distribution: Distribution, why: str) -> PlanIsStale:
    """Forget a plan, so that the week is planned anew, unless another worker was faster. Should
    its anchor land all the same, the published file is adopted."""
    week = distribution.week
    known = context.store.distribution(week)
    if known and known.plan_id == distribution.plan_id and not known.stage.is_frozen:
        context.store.reset_week(week, context.clock.now())
    return PlanIsStale(week, why)


def _need(context: Context, distribution: Distribution, header: Header) -> Need:
    return week_need(
        context.chain.costs(),
        total=header.total_amount,
        batches=header.batches,
        held=header.held,
        new_accounts=context.store.count_needing_account(distribution.plan_id or ""),
    )
