"""Reports whether a week is done, waits or has failed, for commands that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.core.errors import ExitCode
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import tokens_text
from worker.core.payout.backoff import is_waiting
from worker.core.payout.records import Distribution, Payout, PayoutKind
from worker.core.week import Week
from worker.core.wording import counted
from worker.ports.payout import Store
from worker.services.payout.pages import payout_pages
from worker.services.week.status import CHUNK_PAYOUTS, Board, board, obstacles
from worker.services.week.unpaid import UNDER_WAY

OBSTACLES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """`exit_code` is the command's: DONE, FAILED, or NOT_READY for a week that waits."""

    exit_code: ExitCode
    sentence: str


def verdict(store: Store, week: Week, now: datetime) -> Verdict | None:
    """The end of a week, or the reason why it waits. None while it moves on."""
    if (blocked := _blocking(store, week)) is not None:
        found = _waits(blocked, now)
        return found and Verdict(found.exit_code, f"{week.label} waits for {found.sentence}")
    distribution = store.distribution(week)
    if distribution is None:
        return None
    if distribution.stage is Stage.COMPLETED:
        return _after_close(store, distribution, now)
    return _waits(distribution, now) or _payouts_wait(store, distribution, now)


def _blocking(store: Store, week: Week) -> Distribution | None:
    """The oldest earlier week that is not anchored. Weeks are planned in order."""
    earlier = [d for d in store.distributions() if d.week < week and not d.stage.is_frozen]
    return min(earlier, key=lambda d: d.week, default=None)


def _waits(distribution: Distribution, now: datetime) -> Verdict | None:
    label, due = distribution.week.label, distribution.next_attempt_at
    if distribution.historic is not None and distribution.stopped:
        return Verdict(ExitCode.FAILED, f"{label} stopped: {distribution.reason}")
    if distribution.stopped:
        return Verdict(
            ExitCode.FAILED, f"{label} stopped after too many tries: {distribution.reason}"
        )
    if distribution.reason is None or due is None or not is_waiting(due, now):
        return None
    again = f"{due:%Y-%m-%d %H:%M:%S} UTC"
    return Verdict(ExitCode.NOT_READY, f"{label} waits: {distribution.reason} (next try {again})")


def _payouts_wait(store: Store, distribution: Distribution, now: datetime) -> Verdict | None:
    """A verdict if every open batch is tried later, so that nothing can be done now."""
    planned = distribution.readable_plan
    if planned is None or not planned.stage.is_payable:
        return None
    counts = store.batch_counts(planned.plan_id)
    left = counts.get(PayoutStatus.PENDING, 0) + counts.get(PayoutStatus.PROCESSING, 0)
    due = store.progress(planned.plan_id).next_attempt_at
    if not left or due is None or due <= now:
        return None
    later = [
        o
        for o in obstacles(store, distribution.week, None)
        if not (o.is_resolved or o.is_single)
        and o.next_attempt_at is not None
        and o.next_attempt_at > now
    ]
    if len(later) < left:
        return None
    named = "; ".join(f"{o.payout_id}: {o.reason}" for o in later[:OBSTACLES_NAMED])
    count = counted(left, "payout waits", "payouts wait")
    return Verdict(ExitCode.NOT_READY, f"{distribution.week.label}: {count}; {named}")


def _after_close(store: Store, distribution: Distribution, now: datetime) -> Verdict | None:
    """None while rewards of a completed week are being paid alone."""
    week, planned = distribution.week, distribution.readable_plan
    if (waits := _waits(distribution, now)) is not None:
        return waits
    found = board(store, week)
    if found.is_historic or planned is None:
        return _completed(found)
    if store.rewards_to_pay_alone(planned.plan_id, now, 1):
        return None
    if store.unread(planned.plan_id, "", 1, due=now):
        return None  # a transaction is read again now
    singles = _open_singles(store, planned.plan_id) if found.unpaid.count else []
    if any(not is_waiting(each.next_attempt_at, now) for each in singles):
        return None
    if not singles:
        return _completed(found)
    named = "; ".join(f"{p.id}: {p.reason or UNDER_WAY}" for p in singles[:OBSTACLES_NAMED])
    count = counted(len(singles), "payment waits", "payments wait")
    return Verdict(ExitCode.NOT_READY, f"{week.label} is closed, and {count}: {named}")


def _open_singles(store: Store, plan_id: str) -> list[Payout]:
    """Unresolved payments of single rewards, without unsigned ones on an operator's hold."""
    found = []
    for page in payout_pages(store, plan_id, CHUNK_PAYOUTS):
        for payout in page:
            if payout.kind is not PayoutKind.SINGLE or payout.status.is_resolved:
                continue
            [reward] = store.rewards(plan_id, range(payout.index, payout.index + 1))
            if payout.attempt is not None or reward.operator_hold is None:
                found.append(payout)
    return found


def _completed(found: Board) -> Verdict:
    label = found.week.label
    if found.is_historic:
        return Verdict(
            ExitCode.DONE,
            f"{label} was distributed by another system: "
            f"{counted(found.contributors, 'contributor')}, "
            f"{tokens_text(found.planned)} KONTRIB.",
        )
    if found.failed.count:
        return Verdict(
            ExitCode.FAILED,
            f"{label} is closed, but {counted(found.failed.count, 'reward')} "
            f"({tokens_text(found.failed.amount)} KONTRIB) could not be paid. They are tried "
            f"again; see `kontrib status {label}`.",
        )
    held = f", {found.held.count} held" if found.held.count else ""
    return Verdict(
        ExitCode.DONE,
        f"{label} is completed: {found.paid.count:,} of {counted(found.contributors, 'reward')} "
        f"paid{held}, {tokens_text(found.paid.amount)} KONTRIB.",
    )
