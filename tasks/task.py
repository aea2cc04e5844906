"""Shared by all tasks: they show expected errors, read messages and send them in one way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kombu.exceptions import OperationalError

from worker.app import PAYMENTS, WEEK, app, settings
from worker.core.errors import KontribError, NotReady
from worker.core.week import MalformedWeek, Week
from worker.services.week.story import Job, Work

POSITIONS_MAX = 2**31
"""More than any plan has, and still a number that the database can compare."""

log = structlog.get_logger("kontrib.tasks")


class RedisSilent(NotReady):
    """A message could not be published. It was a wake-up: the sweep finds the same work."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"Redis does not answer ({error}). Nothing is lost: the sweep looks again")


class TaskRefused(Exception):
    """An expected failure that waiting alone does not mend. Flower shows its sentence."""


def task(function: Callable[..., str]) -> Any:
    """Decorator that makes `tasks.<name of the function>` a Celery task.

    An expected failure has no traceback: Flower shows a task that waits as a result, and a
    refusal as a failure with its reason.
    """

    @functools.wraps(function)
    def report_expected_errors(*args: Any, **kwargs: Any) -> str:
        try:
            return function(*args, **kwargs)
        except NotReady as error:
            log.warning("waits", reason=str(error))
            return f"waits: {error}"
        except KontribError as error:
            log.error("refused", reason=str(error))
            raise TaskRefused(str(error)) from None

    name = f"tasks.{function.__name__}"
    return app.task(name=name, throws=(TaskRefused,))(report_expected_errors)


@contextmanager
def continue_after_errors(consequence: str) -> Iterator[None]:
    """For a step after the task's own work, which is done and recorded: log `consequence`."""
    try:
        yield
    except KontribError as error:
        log.warning(consequence, reason=str(error))


# --- messages: anybody who reaches the broker may send one --------------------------------------


def read_week(text: object) -> Week:
    """The week that a message names.

    Raises:
        TaskRefused: the message names no week.
    """
    if not isinstance(text, str):
        raise TaskRefused(f"A message names {type(text).__name__} as its week, not a text.")
    try:
        return Week.parse(text)
    except MalformedWeek as error:
        raise TaskRefused(str(error)) from None


def check_range(first: object, last: object) -> None:
    """
    Raises:
        TaskRefused: they bound no range of batches. `True` is no number here.
    """
    numbers = type(first) is int and type(last) is int
    if not (numbers and 0 <= first < last <= POSITIONS_MAX):  # type: ignore[operator]
        raise TaskRefused(f"A message names {first!r} to {last!r}, which is no range of batches.")


def wake(work: Iterable[Work]) -> int:
    """Publish one message for each piece of work, and return how many.

    Messages expire, since the sweep makes new ones.

    Raises:
        RedisSilent: some were not published.
    """
    count = 0
    for item in work:
        arguments: dict[str, str | int] = {"week": item.week.id}
        if item.job is Job.PAY:
            arguments |= {"first": item.first, "last": item.last}
        queue = PAYMENTS if item.job in (Job.PAY, Job.SINGLES) else WEEK
        publish(f"tasks.{item.job.value}", arguments, queue, expires=settings.sweep_seconds)
        count += 1
    return count


def publish(name: str, arguments: dict[str, Any], queue: str, *, expires: float) -> None:
    """
    Raises:
        RedisSilent: the message was not published.
    """
    try:
        app.send_task(name, kwargs=arguments, queue=queue, expires=max(60.0, expires))
    except (OperationalError, AttributeError) as error:
        # kombu raises the second from a channel whose lost connection it has closed meanwhile.
        raise RedisSilent(error) from error
