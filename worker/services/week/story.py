"""The story of a week, from its contributions to its closed books.

`story` lists the jobs. `next_work` finds the work that is due, and `do_job` does it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import tokens_text
from worker.core.payout.backoff import is_waiting
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.context import Context, Deadline
from worker.services.payout.close import TransactionsUnread, close_week
from worker.services.payout.pay import pay
from worker.services.payout.read_again import read_again
from worker.services.payout.release_singles import release_singles
from worker.services.payout.token_accounts import prepare_accounts
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import NotPlanned, planned_week


class Job(enum.StrEnum):
    """The jobs of a week. Each is a separate Celery task, so that Flower shows the story."""

    PLAN = "plan"
    ANCHOR = "anchor"
    ACCOUNTS = "accounts"
    PAY = "pay"
    SINGLES = "singles"
    CLOSE = "close"
    READ_BACK = "read_back"


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work. `first` and `last` bound the payout indexes of PAY, last excluded."""

    job: Job
    week: Week
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a piece of work, for people. `again`: look for the next piece at once."""

    sentence: str
    again: bool = True


Do: TypeAlias = Callable[[Context, Work, Deadline, bool], Done]


def story(stage: Stage) -> dict[Job, Do]:
    """The jobs that a week needs at a stage, and the function that does each.

    Finished work looks for the next work at once (`due.follow_up`) and wakes it by a message. If
    that message is lost, the sweep finds the same work in the database (`due.find_work`).
    """
    match stage:
        case Stage.DUE:
            # Sum the points, split the pool, write and publish the plan. The week is PLANNED.
            return {Job.PLAN: _plan}
        case Stage.PLANNED:
            # Make the plan's root final on chain. It never changes again. The week is ANCHORED.
            return {Job.ANCHOR: _anchor}
        case Stage.ANCHORED:
            # Create the token accounts that recipients lack. The week is PREPARED.
            return {Job.ACCOUNTS: _create_accounts}
        case Stage.PREPARED:
            # Pay all batches, in ranges. Release held rewards, and rewards of void batches, to be
            # paid alone. Finally compare plan, database and chain. The week is COMPLETED.
            return {Job.PAY: _pay, Job.SINGLES: _release_singles, Job.CLOSE: _close}
        case Stage.COMPLETED:
            # A held reward is paid as soon as its user can receive it. Read the transactions that
            # no endpoint returned at once. Before the close, `_close` reads them.
            return {Job.PAY: _pay, Job.SINGLES: _release_singles, Job.READ_BACK: _read_back}


def next_work(context: Context, distribution: Distribution, now: datetime) -> list[Work]:
    """The work of a week that is due now. A stopped week keeps its stage; its payments continue."""
    due_at = distribution.next_attempt_at
    if distribution.archived or is_waiting(due_at, now):
        return []
    if distribution.stage.is_payable:
        return _payable_work(context, distribution, now)
    jobs = [] if distribution.stopped else story(distribution.stage)
    return [Work(job, distribution.week) for job in jobs]


def do_job(context: Context, work: Work, deadline: Deadline, *, at_once: bool) -> Done:
    """Do one piece of work at any stage of the week. `at_once` plans without the grace."""
    return _DO[work.job](context, work, deadline, at_once)


def _payable_work(context: Context, distribution: Distribution, now: datetime) -> list[Work]:
    """Payments first. The week is closed when no payment is left."""
    if (planned := distribution.readable_plan) is None:
        return _unreadable_work(distribution)
    week, plan_id = planned.week, planned.plan_id
    size = _range_size(planned.header.batches, context.limits.batches_per_task)
    ranges = context.store.open_ranges(plan_id, size, now)
    work = [Work(Job.PAY, week, each.start, each.stop) for each in ranges]
    if context.store.rewards_to_pay_alone(plan_id, now, 1):
        work.append(Work(Job.SINGLES, week))
    if planned.stage is Stage.COMPLETED and context.store.unread(plan_id, "", 1, due=now):
        work.append(Work(Job.READ_BACK, week))
    if work or distribution.stopped or Job.CLOSE not in story(planned.stage):
        return work
    counts = context.store.batch_counts(plan_id)
    is_resolved = not counts.get(PayoutStatus.PENDING) and not counts.get(PayoutStatus.PROCESSING)
    return [Work(Job.CLOSE, week)] if is_resolved else []


def _unreadable_work(distribution: Distribution) -> list[Work]:
    """The job that finds out, and records, that a stored header was changed.

    Other weeks go on. A week that the wiki completed before this system was there has no plan.
    """
    if distribution.plan_id is None or distribution.stopped:
        return []
    return [Work(list(story(distribution.stage))[-1], distribution.week)]


def _range_size(batches: int, largest: int) -> int:
    """The most payouts of a task. Equal parts give all workers about the same work.

    A small week is one part of the largest size, since singles are divided by the same size.
    """
    parts = -(-batches // largest)
    return -(-batches // parts) if parts > 1 else largest


def _plan(context: Context, work: Work, _: Deadline, at_once: bool) -> Done:
    planned = plan_week(context, work.week, at_once=at_once)
    header = planned.header
    return Done(
        f"{work.week.label}: plan {planned.how}, {counted(header.rewards, 'reward')} "
        f"({header.held} held) in {counted(header.batches, 'batch', 'batches')}, "
        f"{tokens_text(header.total_amount)} KONTRIB for {header.total_points:,} points"
    )


def _anchor(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    anchored = anchor_week(context, work.week, deadline)
    if not anchored.finalized:
        return Done(f"{work.week.label}: anchor sent, not final yet")
    return Done(
        f"{work.week.label}: anchored, root {anchored.root.hex()[:16]}, "
        f"signature {anchored.signature or 'not readable yet'}"
    )


def _create_accounts(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    planned = planned_week(context.store, work.week)
    created, is_finished = prepare_accounts(context, planned, deadline)
    rest = "all there" if is_finished else "more to create"
    return Done(f"{work.week.label}: {created} token accounts created, {rest}")


def _pay(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    planned = planned_week(context.store, work.week)
    report = pay(context, planned, range(work.first, work.last), deadline)
    of = report.resolved + report.unresolved + report.later
    text = f"{work.week.label}: {report.paid:,} of {counted(of, 'payout')} paid"
    parts = {"void": report.void, "unknown": report.unresolved, "to be retried": report.later}
    text += "".join(f", {count} {name}" for name, count in parts.items() if count)
    text += f", {tokens_text(report.moved)} KONTRIB moved"
    if report.reasons:
        text += f" ({'; '.join(report.reasons[:3])})"
    # A worker that is stopped before its first step leaves the work to another one at once.
    is_undone = of == 0 and deadline.passed
    return Done(text, again=report.resolved > 0 or report.unresolved > 0 or is_undone)


def _release_singles(context: Context, work: Work, deadline: Deadline, _: bool) -> Done:
    released = release_singles(context, planned_week(context.store, work.week), deadline)
    waiting = "; ".join(f"{n} wait: {why}" for why, n in sorted(released.waiting.items()))
    text = f"{work.week.label}: {counted(released.payable, 'reward')} to be paid alone now"
    return Done(text + (f", {waiting}" if waiting else ""))


def _read_back(context: Context, work: Work, _: Deadline, __: bool) -> Done:
    planned = planned_week(context.store, work.week)
    read = read_again(context, planned, due=context.clock.now())
    # What is left is due at once, so the week waits, or stops visibly.
    if read.outside:
        raise read.outside[0]
    if read.unresolved:
        raise TransactionsUnread(work.week, read.unresolved)
    count = counted(read.complete, "payout")
    text = f"the transactions of {count} read, {read.later} not readable yet"
    return Done(f"{work.week.label}: {text}", again=read.complete > 0)


def _close(context: Context, work: Work, _: Deadline, __: bool) -> Done:
    distribution = context.store.distribution(work.week)
    if distribution is None:
        raise NotPlanned(work.week)
    if distribution.stage is Stage.COMPLETED:
        return Done(f"{work.week.label} is closed already", again=False)
    if (taken := _take(context, distribution)) is None:
        return Done(f"{work.week.label} waits, or another worker closes it", again=False)
    result = close_week(context, distribution)
    # A week that is closed has moved on. One that is not is due again.
    context.store.reserve(taken, work.week.end)
    return Done(f"closed; {result.sentence()}", again=False)


def _take(context: Context, distribution: Distribution) -> Distribution | None:
    """Keep other workers from a week's next job for the length of a lease. None if it is taken.

    Two tasks that pay a week's last batches may both wake its close. After a crash the sweep finds
    the job when the lease is over.
    """
    now = context.clock.now()
    until = now + context.limits.lease
    if is_waiting(distribution.next_attempt_at, now):
        return None
    if not context.store.reserve(distribution, until):
        return None
    return replace(distribution, next_attempt_at=until)


_DO = {job: do for stage in Stage for job, do in story(stage).items()}
