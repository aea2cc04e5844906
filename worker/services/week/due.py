"""What is due, found in the database alone: nothing depends on any one message or task."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.payout.records import Distribution
from worker.core.plan.commitment import Header
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.genesis import first_week


class Job(enum.StrEnum):
    """The stages of a week, each a task of its own, so that Flower tells the week's story."""

    PLAN = "plan"
    ANCHOR = "anchor"
    ACCOUNTS = "accounts"
    PAY = "pay"
    SINGLES = "singles"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work. `first` and `last` bound the payout indexes of PAY, last excluded."""

    job: Job
    week: Week
    first: int = 0
    last: int = 0


def due_weeks(context: Context) -> list[Week]:
    """Every week that is over, its grace included, from the first one on, oldest first.

    Raises:
        NoGenesis: nothing is ever due without it.
    """
    ended = Week.containing(context.clock.now() - context.limits.plan_grace).previous()
    return first_week(context).until(ended)


def find_work(context: Context, *, only: Week | None = None) -> list[Work]:
    """What can be done now, oldest week first. Weeks are planned in order.

    `only` leaves other weeks alone, except those that must be anchored before it.
    """
    now = context.clock.now()
    known = {d.week: d for d in context.store.distributions()}
    planned_early = {w for w, d in known.items() if d.plan_id is not None}
    work: list[Work] = []
    for week in sorted({*due_weeks(context), *planned_early}):
        if only is not None and week > only:
            break
        distribution = known.get(week) or context.store.distribution(week)
        stage = distribution.stage if distribution else Stage.DUE
        if only is None or week == only or not stage.is_frozen:
            work += _work_of(context, week, distribution, now)
        if not stage.is_frozen:
            break  # the weeks after it wait until this one is anchored
    return work


def follow_up(context: Context, done: Work) -> list[Work]:
    """What one finished piece of work makes possible at once, without waiting for a sweep.

    A payment continues its own range, and then another open one, whose message may have expired
    while all workers were busy. Those who end together choose different ones.
    """
    found = find_work(context)
    if done.job is not Job.PAY:
        return [w for w in found if w.week == done.week or w.job is Job.PLAN]
    of_week = [w for w in found if w.week == done.week]
    open_ranges = [w for w in of_week if w.job is Job.PAY]
    own = [w for w in open_ranges if w.first in range(done.first, done.last)]
    if own or not open_ranges:
        return own or of_week
    chosen = open_ranges[done.first // (done.last - done.first) % len(open_ranges)]
    return [chosen, *(w for w in of_week if w.job is not Job.PAY)]


def _work_of(
    context: Context, week: Week, distribution: Distribution | None, now: datetime
) -> list[Work]:
    if distribution is None:
        return [Work(Job.PLAN, week)]
    if distribution.archived or not _is_due(distribution, now):
        return []
    if distribution.stage.is_payable:
        return _payments(context, distribution, now)
    if distribution.stopped:
        return []
    next_job = {Stage.DUE: Job.PLAN, Stage.PLANNED: Job.ANCHOR, Stage.ANCHORED: Job.ACCOUNTS}
    return [Work(next_job[distribution.stage], week)]


def _is_due(distribution: Distribution, now: datetime) -> bool:
    return distribution.next_attempt_at is None or distribution.next_attempt_at <= now


def _range_size(distribution: Distribution, largest: int) -> int:
    """How many payouts a task has at most: equal parts, so that no worker has much more to do.

    Not less where one task can have all batches: singles are divided by the same size.
    """
    batches = Header.parse(distribution.header).batches if distribution.header else 0
    parts = -(-batches // largest)
    return -(-batches // parts) if parts > 1 else largest


def _payments(context: Context, distribution: Distribution, now: datetime) -> list[Work]:
    week, plan_id = distribution.week, distribution.plan_id or ""
    size = _range_size(distribution, context.limits.batches_per_task)
    ranges = context.store.open_ranges(plan_id, size, now)
    work = [Work(Job.PAY, week, r.start, r.stop) for r in ranges]
    if context.store.rewards_to_pay_alone(plan_id, now, 1):
        work.append(Work(Job.SINGLES, week))
    if distribution.stage is Stage.PREPARED and not work and not distribution.stopped:
        counts = context.store.batch_counts(plan_id)
        if not counts.get(PayoutStatus.PENDING) and not counts.get(PayoutStatus.PROCESSING):
            work.append(Work(Job.CLOSE, week))
    return work
