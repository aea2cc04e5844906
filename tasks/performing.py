"""What all tasks share: do a piece of work, say what was done, and wake what follows."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from worker.app import PAYMENTS, WEEK, app, context, settings
from worker.core.errors import KontribError, NotReady
from worker.services.run import do_work
from worker.services.work import Job, Work, follow_up

log = structlog.get_logger("kontrib.tasks")


class WeekRefused(Exception):
    """A safeguard refused to go on. The reason is on the distribution, too."""


def perform(work: Work, *, at_once: bool = False) -> str:
    """Do one piece of work within the soft limit.

    Raises:
        WeekRefused: an expected failure that waiting alone will not mend.
    """
    seconds = settings.task_soft_limit_seconds * 0.8
    with structlog.contextvars.bound_contextvars(week=work.week.id, job=work.job.value):
        try:
            done = do_work(context(), work, seconds=seconds, at_once=at_once)
        except NotReady as error:
            log.warning("waits", reason=str(error))
            return f"{work.week.label} waits: {error}"
        except KontribError as error:
            log.error("refused", reason=str(error))
            raise WeekRefused(str(error)) from None
        log.info("done", result=done.sentence)
        if done.again:
            wake(follow_up(context(), work))
    return done.sentence


def wake(work: Iterable[Work]) -> int:
    """Publish one message for each piece of work. They expire, since the sweep makes new ones."""
    count = 0
    for item in work:
        arguments = {"week": item.week.id}
        if item.job is Job.PAY:
            arguments |= {"first": item.first, "last": item.last}  # type: ignore[dict-item]
        app.send_task(
            f"tasks.{item.job.value}",
            kwargs=arguments,
            queue=PAYMENTS if item.job in (Job.PAY, Job.SINGLES) else WEEK,
            expires=max(60.0, settings.sweep_seconds),
        )
        count += 1
    return count
