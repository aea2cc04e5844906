"""Tasks that pay a week: `sweep` finds due work, and each stage has a separate task."""

from __future__ import annotations

from typing import Any

import structlog

from tasks.task import check_range, continue_after_errors, log, read_week, task, wake
from worker.app import context, counts, settings, shutdown
from worker.core.week import Week
from worker.services.watch.metrics import BEAT
from worker.services.watch.notifications import note_stage
from worker.services.week.due import find_work, follow_up
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

SHARE_OF_SOFT_LIMIT = 0.8


@task
def sweep(**_: Any) -> str:
    """Find all due work, even after lost messages. Also records that beat runs."""
    context().store.beat(BEAT, context().clock.now())
    return _wake_due(None)


@task
def distribute(*, week: str | None = None, at_once: bool = False, **_: Any) -> str:
    """Wake all due work, with `week` up to that week. `at_once` plans it without the grace."""
    if week is None:
        return _wake_due(None)
    wanted = read_week(week)
    known = context().store.distribution(wanted)
    if at_once and (known is None or known.plan_id is None):
        return _do(Work(Job.PLAN, wanted), at_once=True)
    return _wake_due(wanted)


@task
def retry(week: str, **_: Any) -> str:
    """Make all unresolved work of a week due now. Safe in any state, any number of times."""
    wanted = read_week(week)
    count = retry_week(context().store, wanted)
    return f"{wanted.label}: {count} made due now; {_wake_due(wanted)}"


@task
def plan(*, week: str, **_: Any) -> str:
    """Compute, write and publish a week's plan."""
    return _do(Work(Job.PLAN, read_week(week)))


@task
def anchor(*, week: str, **_: Any) -> str:
    """Anchor a plan: make its root final on chain."""
    return _do(Work(Job.ANCHOR, read_week(week)))


@task
def accounts(*, week: str, **_: Any) -> str:
    """Create the token accounts that recipients lack."""
    return _do(Work(Job.ACCOUNTS, read_week(week)))


@task
def pay(*, week: str, first: int, last: int, **_: Any) -> str:
    """Pay and settle the batches of a range, `last` excluded."""
    check_range(first, last)
    return _do(Work(Job.PAY, read_week(week), first, last))


@task
def singles(*, week: str, **_: Any) -> str:
    """Find rewards that can now be paid alone."""
    return _do(Work(Job.SINGLES, read_week(week)))


@task
def read_back(*, week: str, **_: Any) -> str:
    """Read transactions of a completed week that no endpoint returned at first."""
    return _do(Work(Job.READ_BACK, read_week(week)))


@task
def close(*, week: str, **_: Any) -> str:
    """Reconcile plan, database and chain, and complete the week."""
    return _do(Work(Job.CLOSE, read_week(week)))


def _wake_due(only: Week | None) -> str:
    return f"{wake(find_work(context(), only=only))} pieces of work woken"


def _do(work: Work, *, at_once: bool = False) -> str:
    """Do one piece of work within the soft limit, and wake the work that follows."""
    # Every log line carries these until the task ends.
    structlog.contextvars.bind_contextvars(week=work.week.id, job=work.job.value)
    if work.job is Job.PAY:
        structlog.contextvars.bind_contextvars(batches=f"{work.first}..{work.last}")
    try:
        done = do_work(
            context(),
            work,
            seconds=settings.task_soft_limit_seconds * SHARE_OF_SOFT_LIMIT,
            at_once=at_once,
            stopping=shutdown.is_set,
            limits_planning=True,
        )
    finally:
        counts().flush(context().store)
    if work.job is not Job.PAY:
        with continue_after_errors("stage not noted"):
            note_stage(context().store, work.week, context().clock.now())
    log.info("done", result=done.sentence)
    if done.again:
        with continue_after_errors("next step not woken, left to the sweep"):
            wake(follow_up(context(), work))
    return done.sentence
