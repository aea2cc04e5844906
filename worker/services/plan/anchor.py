"""Anchor a plan: make its root final on chain before the first token moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from worker.core.errors import NotReady
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.payout.backoff import READ_AGAIN_SECONDS, next_reading_at
from worker.core.payout.chain import Execution, Intent
from worker.core.payout.decision import Step, next_step
from worker.core.payout.looks.unknown_receipts import UNKNOWN_MAX
from worker.core.payout.records import Distribution, Payout, Settlement
from worker.core.plan.commitment import MalformedPlan, PlanDoesNotMatchRoot, Seal
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, Resolution, anchor_id, anchor_ids
from worker.core.week import Week
from worker.services.ahead import meanwhile
from worker.services.context import Context, Deadline
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.anchored.previous import previous_plan
from worker.services.plan.approval import check_approved
from worker.services.plan.cluster.clock import check_clock
from worker.services.plan.cluster.find_execution import find_execution
from worker.services.plan.cluster.look import Look, look_at
from worker.services.plan.funds import check_funds, plan_need
from worker.services.plan.genesis import first_week
from worker.services.plan.planned_week import plan_of
from worker.services.plan.publish import check_published, held_in_batches
from worker.services.plan.seal import AnchorUnknown, stored_seal
from worker.services.plan.send_until_resolved import TransactionRefused, record_attempts, sign_all

CHANGED = "a part of it is missing in the database or was changed"


class PlanIsStale(NotReady):
    """A plan is not anchored yet, and no longer fits the chain or the week before it."""

    def __init__(self, week: Week, why: str) -> None:
        super().__init__(f"The plan of {week.label} no longer fits: {why}. It is made again.")


@dataclass(frozen=True, slots=True)
class Anchored:
    """The anchor of a week. `signature` is None if no endpoint returns the transaction."""

    root: bytes
    signature: str | None
    finalized: bool


def anchor_week(context: Context, week: Week, deadline: Deadline) -> Anchored:
    """Anchor the week's plan and wait until it is final, or adopt the plan that is final.

    Raises:
        NotPlanned: the week has no plan.
        Paused, ApprovalMissing, FundsShort, NoGenesis, ...: nothing was signed.
        TransactionRefused: the chain executed the anchor and refused it.
        AnchorUnknown: the endpoints do not show whether the week is anchored.
    """
    patience = Deadline(context.clock, UNKNOWN_MAX.total_seconds())
    while True:
        distribution = context.store.distribution(week)
        if distribution and distribution.root and distribution.stage.is_frozen:
            return Anchored(distribution.root, distribution.signature, finalized=True)
        planned = _readable_plan(context, week, distribution)
        anchored = _step(context, planned, patience)
        if anchored is not None:
            return anchored
        if deadline.passed:
            return Anchored(planned.root, None, finalized=False)
        context.wait_for_chain()


def _readable_plan(context: Context, week: Week, distribution: Distribution | None) -> PlannedWeek:
    """
    Raises:
        NotPlanned: the week has no plan.
        PlanIsStale: its stored header was changed.
    """
    try:
        return plan_of(week, distribution)
    except MalformedPlan:
        plan_id = distribution.plan_id if distribution else None
        raise _stale(context, week, plan_id, CHANGED) from None


def _step(context: Context, planned: PlannedWeek, patience: Deadline) -> Anchored | None:
    """Read the anchor's receipts and act on them. None while the anchor is not final."""
    week = planned.week
    payout = context.store.payout(planned.plan_id, anchor_id(week))
    try:
        seal = stored_seal(context, planned)
    except PlanDoesNotMatchRoot:
        payout = None
    if payout is None:
        raise _stale(context, week, planned.plan_id, CHANGED)
    ids = anchor_ids(week, seal.root)
    seen = look_at(context, dict.fromkeys(ids, payout.attempt))
    any_plan, ours = (seen.receipts.get(each) for each in ids)
    if ReceiptState.UNKNOWN in (ours, any_plan) and patience.passed:
        raise AnchorUnknown(week, context.chain.endpoint_troubles)
    context.paid_receipts.note(seen.receipts, context.clock.now())
    if ours is ReceiptState.PAID and any_plan is ReceiptState.PAID:
        return _record(context, planned, seal)
    if any_plan is ReceiptState.PAID and ours is ReceiptState.FREE:
        adopt_anchored_plan(context, week, first_week(context))
        return None
    _send(context, planned, payout, seal, seen)
    return None


def _record(context: Context, planned: PlannedWeek, seal: Seal) -> Anchored:
    week, plan_id = planned.week, planned.plan_id
    payout, receipt = context.store.payout(plan_id, anchor_id(week)), anchor_id(week)
    found = _read_transaction(context, receipt, payout)
    signature = found.signature if found else None
    if payout is not None:
        now, scale = context.clock.now(), context.limits.backoff_scale
        settlement = Settlement(
            payout=payout,
            status=PayoutStatus.PAID,
            signature=signature,
            slot=found.slot if found else None,
            fee=found.fee if found else None,
            verified=found is not None,
            next_look_at=None if found else next_reading_at(now, payout, scale=scale),
        )
        context.store.settle([settlement], now)
    # Another worker may know the signature, so an unknown one is not written.
    facts = {"signature": signature} if signature else {}
    context.store.advance(week, plan_id, Stage.PLANNED, Stage.ANCHORED, **facts)
    return Anchored(seal.root, signature, finalized=True)


def _read_transaction(context: Context, receipt: str, payout: Payout | None) -> Execution | None:
    """The anchor's transaction: usually our own, whose signature is known.

    It waits a little, since nodes are some blocks apart.
    """
    known = {receipt: payout.attempt.signature} if payout and payout.attempt else {}
    for pause in READ_AGAIN_SECONDS:
        if (ours := context.chain.executions_of(known).get(receipt)) is not None:
            return ours
        if (found := find_execution(context, receipt)[0]) is not None:
            return found
        context.clock.sleep(pause)
    return None


def _send(
    context: Context,
    planned: PlannedWeek,
    payout: Payout,
    seal: Seal,
    seen: Look,
) -> None:
    attempt, week_id = payout.attempt, anchor_id(planned.week)
    status = seen.statuses.get(week_id)
    step = next_step(seen.receipts.get(week_id), attempt, status, seen.block_height)
    if step is Step.SIGN:
        if status is not None and status.error:
            raise TransactionRefused(f"the anchor of {planned.week.label}", status.error)
        check_before_anchor(context, planned, seal)
        intent = Intent(
            receipts=anchor_ids(planned.week, seal.root),
            resolution=Resolution.PAID,
            memo=AnchorMemo.of(seal.header, seal.root).text(),
            is_retry=attempt is not None,
        )
        (attempt,) = sign_all(context, [intent])
        record_attempts(context, [(payout, attempt)])
    if attempt is not None and step in (Step.SIGN, Step.RESEND):
        context.chain.send([(attempt.signature, attempt.wire)])


def check_before_anchor(context: Context, planned: PlannedWeek, seal: Seal) -> None:
    """Check the conditions that a plan must meet before it becomes final.

    Raises:
        Paused, NoGenesis, MintUnusable, SampleRefused, PreviousWeekOpen, ClockDiffers,
        BlockTimeUnknown, PlanIsStale, PlanDoesNotMatchRoot, ApprovalMissing, MostLeftOut,
        FundsShort.
    """
    context.refuse_if_paused()
    context.chain.check_mint()
    context.chain.check_endpoints()
    week, header = planned.week, seal.header
    previous = previous_plan(context, week, first_week(context))
    if previous.root != header.previous_root or header.mint != context.chain.mint:
        raise _stale(
            context, week, planned.plan_id, "it does not follow the anchored week before it"
        )
    check_clock(context)
    if header.cutoff < (previous.cutoff or 0):
        raise _stale(
            context, week, planned.plan_id, "its cut-off lies before the one of the week before"
        )
    if header.cutoff > (context.clock.now() + 2 * context.limits.clock_difference_max).timestamp():
        raise _stale(
            context, week, planned.plan_id, "its cut-off lies in the future: a clock was fast"
        )
    if header.batch_size > context.chain.costs().transfers_per_transaction:
        raise _stale(
            context, week, planned.plan_id, "its batches are larger than every endpoint accepts"
        )
    # The published file is read in a thread while the database looks through the week's rewards.
    with meanwhile(partial(check_published, context, seal)) as published:
        if held_in_batches(context.store, planned):
            why = "an operator holds a reward that it pays with a batch"
            raise _stale(context, week, planned.plan_id, why)
        new_accounts = context.store.count_needing_account(planned.plan_id)
    published.result()
    check_approved(context.store, context.rules(), planned)
    check_funds(context, week, plan_need(context.chain.costs(), header, new_accounts))


def _stale(context: Context, week: Week, plan_id: str | None, why: str) -> PlanIsStale:
    """Forget a plan, so that the week is planned anew, unless another worker was faster.

    If its anchor lands later, the published file is adopted.
    """
    known = context.store.distribution(week)
    if known and known.plan_id == plan_id and not known.stage.is_frozen:
        context.store.reset_week(week, context.clock.now())
    return PlanIsStale(week, why)
