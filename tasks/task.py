"""Helpers of all tasks: they report expected errors, and read and publish messages."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kombu.exceptions import OperationalError

from config.secrets import Hiding
from worker.app import PAYMENTS, WEEK, app, settings
from worker.core.errors import KontribError, NotReady
from worker.core.week import MalformedWeek, Week
from worker.redis_faults import explain, host_of
from worker.services.week.story import Job, Work

POSITIONS_MAX = 2**31
"""Larger than any plan, and small enough for the database to compare."""

log = structlog.get_logger("kontrib.tasks")
hiding = Hiding(settings.secrets())


class RedisSilent(NotReady):
    """A wake-up message was not published. The sweep finds the same work later."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(explain(error, host_of(settings.redis_url.get_secret_value()))))


class TaskRefused(Exception):
    """An expected failure that waiting does not resolve. Flower shows its message."""


def task(function: Callable[..., str]) -> Any:
    """Make the decorated function the Celery task `tasks.<its name>`.

    Expected failures leave no traceback. Flower shows `NotReady` as a result, and any other as
    a failure with its message.
    """

    @functools.wraps(function)
    def report_expected_errors(*args: Any, **kwargs: Any) -> str:
        try:
            return hiding(function(*args, **kwargs))
        except NotReady as error:
            log.warning("waits", reason=str(error))
            return hiding(f"waits: {error}")
        except KontribError as error:
            log.error("refused", reason=str(error))
            raise TaskRefused(hiding(str(error))) from None
        except Exception as error:
            # A library's error may hold a secret, and Celery sends its text through Redis.
            # Celery sends the errors that caused it, too.
            text = "".join(traceback.format_exception(error))
            if hiding(text) == text:
                raise
            log.exception("failed")
            raise TaskRefused(hiding(f"{type(error).__name__}: {error}")) from None

    name = f"tasks.{function.__name__}"
    return app.task(name=name, throws=(TaskRefused,))(report_expected_errors)


@contextmanager
def continue_after_errors(consequence: str) -> Iterator[None]:
    """Log `consequence` if a step fails that follows the task's recorded work."""
    try:
        yield
    except KontribError as error:
        log.warning(consequence, reason=str(error))


# --- messages: anybody with access to the broker may send one -----------------------------------


def read_week(text: object) -> Week:
    """The week in a message.

    Raises:
        TaskRefused: the text is not a week.
    """
    if not isinstance(text, str):
        raise TaskRefused(f"The week in a message is not a text but {type(text).__name__}.")
    try:
        return Week.parse(text)
    except MalformedWeek as error:
        raise TaskRefused(str(error)) from None


def check_range(first: object, last: object) -> None:
    """Check the bounds of a range of batches in a message.

    Raises:
        TaskRefused: they are not integers in order. `True` does not count as an integer.
    """
    numbers = type(first) is int and type(last) is int
    if not (numbers and 0 <= first < last <= POSITIONS_MAX):  # type: ignore[operator]
        raise TaskRefused(f"{first!r} to {last!r} in a message is not a range of batches.")


def wake(work: Iterable[Work]) -> int:
    """Publish one message for each piece of work, and return their count.

    Messages expire, since the sweep publishes new ones.

    Raises:
        RedisSilent: a message was not published.
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
    """Publish one message that expires after `expires` seconds, at least 60.

    Raises:
        RedisSilent: the message was not published.
    """
    try:
        app.send_task(name, kwargs=arguments, queue=queue, expires=max(60.0, expires))
    except (OperationalError, AttributeError) as error:
        # kombu raises AttributeError if it has already closed a lost connection.
        raise RedisSilent(error) from error
