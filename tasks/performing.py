"""What all tasks share: do a piece of work, say what was done, and wake what follows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import ParamSpec

import structlog
from kombu.exceptions import OperationalError

from worker.app import PAYMENTS, WEEK, app, context, counts, settings, shutdown
from worker.core.errors import KontribError, NotReady
from worker.core.week import MalformedWeek, Week
from worker.services.watch.notifications import note_stage
from worker.services.week.due import follow_up
from worker.services.week.run import do_work
from worker.services.week.story import Done, Job, Work

log = structlog.get_logger("kontrib.tasks")
Given = ParamSpec("Given")


class RedisSilent(NotReady):
    """A message could not be published. It was a wake-up: the sweep finds what it was about."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"Redis does not answer ({error}). Nothing is lost: the sweep looks again")


class WeekRefused(Exception):
    """A safeguard refused to go on. The reason is on the distribution, too."""


def week_of(text: object) -> Week:
    """The week that a message names. Messages may come from anybody who reaches the broker.

    Raises:
        WeekRefused: it is none.
    """
    if not isinstance(text, str):
        raise WeekRefused(f"A message names {type(text).__name__} as its week, not a text.")
    try:
        return Week.parse(text)
    except MalformedWeek as error:
        raise WeekRefused(str(error)) from None


def perform(work: Work, *, at_once: bool = False) -> str:
    """Do one piece of work within the soft limit.

    Raises:
        WeekRefused: an expected failure that waiting alone will not mend.
    """
    bound = {"week": work.week.id, "job": work.job.value}
    if work.job is Job.PAY:
        bound["batches"] = f"{work.first}..{work.last}"
    with structlog.contextvars.bound_contextvars(**bound):
        try:
            done = _do(work, at_once=at_once)
        except NotReady as error:
            log.warning("waits", reason=str(error))
            return f"{work.week.label} waits: {error}"
        except KontribError as error:
            log.error("refused", reason=str(error))
            raise WeekRefused(str(error)) from None
        log.info("done", result=done.sentence)
        if done.again:
            _wake_next(work)
    return done.sentence


def _do(work: Work, *, at_once: bool) -> Done:
    try:
        done = do_work(
            context(),
            work,
            seconds=settings.task_soft_limit_seconds * 0.8,
            at_once=at_once,
            stopping=shutdown.is_set,
        )
    finally:
        counts().flush(context().store)
    if work.job is not Job.PAY:
        _note_stage(work.week)
    return done


def _wake_next(work: Work) -> None:
    """The work itself is done and recorded; what follows is found by the sweep, too."""
    try:
        wake(follow_up(context(), work))
    except KontribError as error:
        log.warning("next step not woken, left to the sweep", reason=str(error))


def in_words(task: Callable[Given, str]) -> Callable[Given, str]:
    """Decorator of tasks that only look and wake: what is expected to fail now and then, a server
    that does not answer, is a sentence and no traceback.

    Raises:
        WeekRefused: an expected failure that waiting alone will not mend.
    """

    @functools.wraps(task)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> str:
        try:
            return task(*args, **kwargs)
        except NotReady as error:
            return f"waits: {error}"
        except KontribError as error:
            raise WeekRefused(str(error)) from None

    return run


def _note_stage(week: Week) -> None:
    """For people; the work itself is done, whatever becomes of the note."""
    try:
        note_stage(context().store, week, context().clock.now())
    except KontribError as error:
        log.warning("stage not noted", reason=str(error))


def wake(work: Iterable[Work]) -> int:
    """Publish one message for each piece of work. They expire, since the sweep makes new ones.

    Raises:
        RedisSilent: some were not published.
    """
    count = 0
    for item in work:
        arguments = {"week": item.week.id}
        if item.job is Job.PAY:
            arguments |= {"first": item.first, "last": item.last}  # type: ignore[dict-item]
        queue = PAYMENTS if item.job in (Job.PAY, Job.SINGLES) else WEEK
        _publish(f"tasks.{item.job.value}", arguments, queue)
        count += 1
    return count


def _publish(task: str, arguments: dict[str, str], queue: str) -> None:
    expires = max(60.0, settings.sweep_seconds)
    try:
        app.send_task(task, kwargs=arguments, queue=queue, expires=expires)
    except (OperationalError, AttributeError) as error:
        # kombu raises the second from a channel whose lost connection it has closed meanwhile.
        raise RedisSilent(error) from error
