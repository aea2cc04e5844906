"""Does one piece of work, and records why a week does not move on. Tasks and `--inline` use it."""

from __future__ import annotations

from collections.abc import Callable

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.lifecycle import Stage
from worker.core.payout.backoff import is_exhausted, next_attempt_at, next_look_at
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.week.story import Done, Work, do_job


def do_work(
    context: Context,
    work: Work,
    *,
    seconds: float,
    at_once: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Done:
    """Do one piece of work within `seconds`, or until `stopping` reports that the process ends.

    An expected failure is recorded on the week with its next try, and raised.
    """
    deadline = Deadline(context.clock, seconds, stopping)
    try:
        done = do_job(context, work, deadline, at_once=at_once)
    except UsageError:
        raise
    except KontribError as error:
        _record_failure(context, work.week, error)
        raise
    known = context.store.distribution(work.week)
    if known is not None and known.stage is Stage.COMPLETED and known.reason and not known.stopped:
        # No next stage clears the reason of a completed week.
        context.store.forget_failure(work.week)
    return done


def _record_failure(context: Context, week: Week, error: KontribError) -> None:
    """Write the reason and the next try onto the week.

    A wait for an outside event has no limit. After a safeguard's refusal the tries have growing
    pauses, and the last failed try stops the week visibly. Only an operator's retry ends a stop.
    """
    known = context.store.distribution(week)
    now, scale = context.clock.now(), context.limits.backoff_scale
    attempts = known.attempts if known else 0
    if isinstance(error, NotReady):
        again = next_look_at(now, week.id, scale=scale)
    else:
        attempts += 1
        again = next_attempt_at(now, attempts, week.id, scale=scale)
    stopped_by = known.reason if known and known.stopped else None
    context.store.record_failure(
        week,
        reason=stopped_by or f"{type(error).__name__}: {error}",
        next_attempt_at=again,
        attempts=attempts,
        stopped=stopped_by is not None or is_exhausted(attempts),
    )
