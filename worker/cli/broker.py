"""Redis and the Celery workers: sends wake-up messages, and asks whether they answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from worker.cli.console import say
from worker.core.errors import NotReady, Unreachable
from worker.core.watch.figures import BrokerFigures
from worker.redis_faults import (
    NOTHING_LOST,
    RedisUnusable,
    explain,
    host_of,
    open_client,
    require_redis,
)

if TYPE_CHECKING:
    from worker.core.week import Week

CONTROL_QUEUE = "control"
PING_SECONDS = 1.5


class BrokerUnreachable(Unreachable):
    """Redis cannot be used, so no message can be sent."""

    def __init__(self, found: RedisUnusable) -> None:
        super().__init__(
            f"{found.fault}. {found.remedy} --inline works without Redis. {NOTHING_LOST}"
        )


class NoWorker(NotReady):
    """No worker answers, so none would take a task."""

    def __init__(self) -> None:
        super().__init__(
            "No Celery worker answers. Start one with `celery -A worker.app worker`, "
            "or use --inline to do the work in this process."
        )


class Broker:
    """Sends messages that wake workers. The database records all due work."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.host = host_of(redis_url)
        """Host and port of Redis, without its password."""

    def wake(self, task: str, **arguments: Any) -> None:
        """
        Raises:
            BrokerUnreachable: Redis cannot be used.
        """
        from worker.app import app

        with self._explained_errors():
            app.send_task(task, kwargs=arguments, queue=CONTROL_QUEUE)

    def wake_if_possible(self, task: str, week: Week | None = None) -> None:
        """Wake workers. If Redis cannot be used, print a note: the sweep finds the work later."""
        try:
            self.wake(task, **({"week": week.id} if week else {}))
        except BrokerUnreachable as error:
            say(f"Note: {error}")

    def workers(self) -> list[str]:
        """Names of the workers that answer now.

        Raises:
            BrokerUnreachable: Redis cannot be used.
        """
        from worker.app import app

        with self._explained_errors():
            answers: list[Mapping[str, Any]] = app.control.ping(timeout=PING_SECONDS)
        return sorted(name for answer in answers for name in answer)

    def require_workers(self) -> list[str]:
        """Names of the workers that answer now, at least one.

        Raises:
            NoWorker: no worker answers.
            BrokerUnreachable: Redis cannot be used.
        """
        if found := self.workers():
            return found
        raise NoWorker

    def figures(self) -> BrokerFigures:
        """The queues and the workers of this moment.

        Raises:
            BrokerUnreachable: Redis cannot be used.
        """
        from worker.app import app

        queues = [queue.name for queue in app.conf.task_queues]
        with self._explained_errors(), open_client(self._url) as client:
            waiting = {queue: int(client.llen(queue)) for queue in queues}
            # kombu pushes at the left and takes from the right.
            tails = [client.lindex(queue, -1) for queue in queues]
        sent = [moment for tail in tails if (moment := _sent_at(tail)) is not None]
        return BrokerFigures(waiting, min(sent, default=None), len(self.workers()))

    def redis_version(self) -> str:
        """The version of a Redis that takes messages: one that can be written to.

        Raises:
            RedisUnusable: says why Redis cannot be used.
        """
        import redis

        require_redis(self._url)
        try:
            with open_client(self._url) as client:
                return str(client.info("server")["redis_version"])
        except redis.RedisError as error:
            raise explain(error, self.host) from None

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """
        Raises:
            BrokerUnreachable: instead of the errors of the libraries.
        """
        import redis
        from kombu.exceptions import KombuError

        try:
            # The library's own connection would wait longer for a Redis that hangs.
            require_redis(self._url)
            yield
        except RedisUnusable as found:
            raise BrokerUnreachable(found) from None
        except (KombuError, redis.RedisError, OSError) as error:
            raise BrokerUnreachable(explain(error, self.host)) from None


def _sent_at(message: bytes | None) -> float | None:
    """When a message was sent, by its header; None without a message or a readable header."""
    try:
        return float(json.loads(message or b"")["headers"]["sent_at"])
    except (ValueError, KeyError, TypeError):
        return None
