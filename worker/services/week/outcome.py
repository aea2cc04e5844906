"""Reports whether a week is done, waits or has failed, for commands that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.core.errors import ExitCode
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import tokens_text
from worker.core.payout.backoff import is_waiting
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.week.status import Board, board, obstacles

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
        return _completed(board(store, week))
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
    """A verdict if every open payout is tried later, so that nothing can be done now."""
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
        if not o.is_resolved and o.next_attempt_at is not None and o.next_attempt_at > now
    ]
    if len(later) < left:
        return None
    named = "; ".join(f"{o.payout_id}: {o.reason}" for o in later[:OBSTACLES_NAMED])
    return Verdict(ExitCode.NOT_READY, f"{distribution.week.label}: {left} payouts wait; {named}")


def _completed(found: Board) -> Verdict:
    label = found.week.label
    if found.is_historic:
        return Verdict(
            ExitCode.DONE,
            f"{label} was distributed by another system: {found.contributors:,} contributors, "
            f"{tokens_text(found.planned)} KONTRIB.",
        )
    if found.failed.count:
        return Verdict(
            ExitCode.FAILED,
            f"{label} is closed, but {found.failed.count} rewards "
            f"({tokens_text(found.failed.amount)} KONTRIB) could not be paid. They are tried "
            f"again; see `kontrib status {label}`.",
        )
    held = f", {found.held.count} held" if found.held.count else ""
    return Verdict(
        ExitCode.DONE,
        f"{label} is completed: {found.paid.count} of {found.contributors} rewards paid{held}, "
        f"{tokens_text(found.paid.amount)} KONTRIB.",
    )
