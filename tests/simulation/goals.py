"""Goals of a scenario's acts, checked in the database."""

from __future__ import annotations

from tests.fakes.world import WEEK, user_id_of
from tests.simulation.player import Goal
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.backoff import ATTEMPTS_MAX
from worker.core.payout.records import Distribution, PayoutKind, Reward
from worker.core.week import Week
from worker.services.context import Context

_ORDER = list(Stage)


def has_genesis(context: Context) -> bool:
    return context.store.first_week() is not None


def begins_with(week: Week) -> Goal:
    """The genesis of this first week is recorded."""
    return lambda context: context.store.first_week() == week


def reached(stage: Stage, week: Week = WEEK) -> Goal:
    """The week has reached this stage or a later one."""

    def goal(context: Context) -> bool:
        distribution = context.store.distribution(week)
        return distribution is not None and (
            _ORDER.index(distribution.stage) >= _ORDER.index(stage)
        )

    return goal


def somebody_paid(context: Context) -> bool:
    return any(reward.status is Status.COMPLETED for reward in _rewards(context))


def everybody_paid(context: Context) -> bool:
    """Every reward is paid, and the week is closed."""
    rewards = _rewards(context)
    paid = [reward.status is Status.COMPLETED for reward in rewards]
    return reached(Stage.COMPLETED)(context) and bool(paid) and all(paid)


def all_is_settled(context: Context) -> bool:
    """Some batches are paid, and no batch is pending or processing."""
    counts = context.store.batch_counts(_week(context).plan_id or "")
    return counts.get(PayoutStatus.PAID, 0) > 0 and not any(
        counts.get(status, 0) for status in (PayoutStatus.PENDING, PayoutStatus.PROCESSING)
    )


def rebuilt_and_on_hold(context: Context) -> bool:
    return reached(Stage.ANCHORED)(context) and on_hold(context)


def has_a_reason(context: Context) -> bool:
    return _week(context).reason is not None


def anchored_or_has_a_reason(context: Context) -> bool:
    """After a crash the endpoints may answer again before a reason is recorded."""
    return has_a_reason(context) or reached(Stage.ANCHORED)(context)


def approved_and_resumed(context: Context) -> bool:
    return _week(context).approved and context.store.paused() is None


def a_single_waits_or_is_paid(context: Context) -> bool:
    """After a crash before the account was recorded, the account is created again and paid."""
    payouts = context.store.payouts_after(_week(context).plan_id or "", "", 20)
    singles = [payout for payout in payouts if payout.kind is PayoutKind.SINGLE]
    return any(single.reason or single.status.is_resolved for single in singles)


def is_stopped(context: Context) -> bool:
    return _week(context).stopped


def almost_out_of_tries(context: Context) -> bool:
    payouts = context.store.payouts_after(_week(context).plan_id or "", "", 20)
    return any(payout.attempts >= ATTEMPTS_MAX - 1 for payout in payouts)


def waits_for_transactions(context: Context) -> bool:
    return "TransactionsUnread" in (_week(context).reason or "")


def everybody_paid_unread(context: Context) -> bool:
    return everybody_paid(context) and not everything_read(context)


def everything_read(context: Context) -> bool:
    """Every resolved payout has its signature."""
    payouts = context.store.payouts_after(_week(context).plan_id or "", "", 20)
    return all(payout.signature for payout in payouts if payout.status.is_resolved)


def ordered_void(context: Context) -> bool:
    payouts = context.store.payouts_after(_week(context).plan_id or "", "", 20)
    return any(payout.void_reason for payout in payouts)


def waits_for_funds(context: Context) -> bool:
    return "FundsShort" in (_week(context).reason or "")


def holds_ada(context: Context) -> bool:
    """The plan holds the reward, or its batch becomes void."""
    ada = context.store.reward(WEEK, user_id_of("ada"))
    return ada is not None and ada.operator_hold is not None and not ada.row.batch


def plan_is_missing(context: Context) -> bool:
    return "AnchoredPlanMissing" in (_week(context).reason or "")


def on_hold(context: Context) -> bool:
    ghost = context.store.reward(WEEK, user_id_of("ghost"))
    return ghost is not None and ghost.operator_hold is not None


def released(context: Context) -> bool:
    ghost = context.store.reward(WEEK, user_id_of("ghost"))
    return ghost is not None and ghost.operator_hold is None


def _week(context: Context) -> Distribution:
    return context.store.distribution(WEEK) or Distribution(WEEK, Stage.DUE)


def _rewards(context: Context) -> list[Reward]:
    plan_id = _week(context).plan_id
    return context.store.rewards(plan_id, range(20)) if plan_id else []
