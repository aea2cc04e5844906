"""Does one piece of work, and records why a week does not move on. Tasks and `--inline` use it.

Finished work wakes the next at once. So each step has to prove its progress: the work that was due
when it began must no longer be due, unless its time ran out. The database decides this, not the
step's own report. Otherwise a step without effect would wake itself for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from worker.core.errors import KontribError, NotReady, Refused, UsageError
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import is_exhausted, is_waiting, next_attempt_at, next_look_at
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.plan.cluster.clock import ClockDiffers
from worker.services.week.story import Done, Job, Work, do_job, next_work

_UNTIMED = (Job.PLAN, Job.CLOSE)
"""Jobs that end with the whole work done, or with an error."""
_WRITES_PLANS = (Job.PLAN, Job.ANCHOR)
"""An anchor that another operator made first is adopted with its plan."""


class NoProgress(Refused):
    """A step ended without an error and in time, and the work that it was for is still due."""

    def __init__(self, work: Work, sentence: str) -> None:
        super().__init__(
            f"{work.job.value} of {work.week.label} reported '{sentence}', and the same work is "
            "still due. It is tried again after a pause."
        )


def do_work(
    context: Context,
    work: Work,
    *,
    seconds: float,
    at_once: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    limits_planning: bool = False,
) -> Done:
    """Do one piece of work within `seconds`, or until `stopping` reports that the process ends.

    A plan cannot be made in parts. With `limits_planning` it is given up when the time is over, as
    a task's time limit requires; else it takes as long as it needs.

    A failure is recorded on the week with its next try, and raised. Of an unexpected one only the
    type is recorded, because its message may hold a secret.

    Raises:
        NoProgress: the step changed nothing.
    """
    began, deadline = context.clock.now(), Deadline(context.clock, seconds, stopping)
    before: Distribution | None = None
    if limits_planning and work.job in _WRITES_PLANS:
        context = replace(context, deadline=deadline)
    try:
        before = context.store.distribution(work.week)
        done = do_job(context, work, deadline, at_once=at_once)
        is_cut_off = deadline.passed and work.job not in _UNTIMED
        if not is_cut_off and _is_left(context, work, began):
            raise NoProgress(work, done.sentence)
    except UsageError:
        raise
    except KontribError as error:
        _record_failure(context, work.week, error, before, began)
        raise
    except Exception as error:
        with contextlib.suppress(KontribError):
            _record_failure(context, work.week, Unexpected(work, error), before, began)
        raise
    known = context.store.distribution(work.week)
    if known is not None and known.stage is Stage.COMPLETED and known.reason and not known.stopped:
        # No next stage clears the reason of a completed week.
        context.store.forget_failure(work.week)
    return done


class Unexpected(KontribError):
    """Work failed with an error outside our family: a bug, a lost index, a time limit."""

    def __init__(self, work: Work, error: Exception) -> None:
        super().__init__(
            f"{type(error).__name__} during {work.job.value}. The worker's log has the details. If "
            "it is a time limit, raise TASK_SOFT_LIMIT_SECONDS; else run `kontrib doctor` and "
            "`kontrib migrate`, or report it."
        )


def _is_left(context: Context, work: Work, began: datetime) -> bool:
    """Whether work that was due when a step began is due still.

    Payouts and rewards that the step postponed are due later than that.
    """
    known = context.store.distribution(work.week) or Distribution(work.week, Stage.DUE)
    # A clock that was set back during the step postponed its payouts to before `began`.
    return work in next_work(context, known, min(began, context.clock.now()))


def _record_failure(
    context: Context,
    week: Week,
    error: KontribError,
    before: Distribution | None,
    began: datetime,
) -> None:
    """Write the reason and the next try onto the week.

    A wait for an outside event has no limit. After a refusal or an unexpected error the tries have
    growing pauses, and the last failed try stops the week visibly. Only an operator's retry ends a
    stop. `before`: the record when the work began.
    """
    known = context.store.distribution(week)
    now, scale = context.clock.now(), context.limits.backoff_scale
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, ClockDiffers):
        now -= error.difference  # else the right clock would wait for a time of the wrong one
    attempts = known.attempts if known else 0
    if isinstance(error, NotReady):
        again = next_look_at(now, week.id, scale=scale)
    elif known is not None and _is_counted(known, before, began, reason):
        # Its pause goes on. A new one could begin again for ever, where two clocks differ.
        again = known.next_attempt_at or next_attempt_at(now, attempts, week.id, scale=scale)
    else:
        attempts += 1
        again = next_attempt_at(now, attempts, week.id, scale=scale)
    stopped_by = known.reason if known and known.stopped else None
    context.store.record_failure(
        week,
        reason=stopped_by or reason,
        next_attempt_at=again,
        attempts=attempts,
        stopped=stopped_by is not None or is_exhausted(attempts),
    )


def _is_counted(
    known: Distribution, before: Distribution | None, began: datetime, reason: str
) -> bool:
    """Whether another piece of work has counted the event that made this one fail.

    Payments of several ranges run in parallel and one after the other, and one event fails them
    all. It was counted if another failure was counted since this work began, or if the week already
    waited because of the same reason.
    """
    if before is None:
        return False
    waited = is_waiting(before.next_attempt_at, began) and before.reason == reason
    return waited or known.attempts > before.attempts
