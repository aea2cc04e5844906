"""Redis and the Celery workers: sends wake-up messages, and asks whether they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from worker.cli.console import say
from worker.core.errors import NotReady, Unreachable
from worker.core.watch.figures import BrokerFigures

if TYPE_CHECKING:
    from worker.core.week import Week

CONTROL_QUEUE = "control"
PING_SECONDS = 1.5


class BrokerUnreachable(Unreachable):
    """Redis does not answer, so no message can be sent."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Redis at {host} does not answer (REDIS_URL). Start it, or use --inline to work "
            "without it. Nothing is lost: once Redis is back, the sweep finds all due work."
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
        parts = urlsplit(redis_url)
        self.host = f"{parts.hostname or parts.path}:{parts.port or 6379}"
        """Host and port of Redis, without its password."""

    def wake(self, task: str, **arguments: Any) -> None:
        """
        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        from kombu.exceptions import OperationalError

        from worker.app import app

        try:
            app.send_task(task, kwargs=arguments, queue=CONTROL_QUEUE)
        except OperationalError:
            raise BrokerUnreachable(self.host) from None

    def wake_if_possible(self, task: str, week: Week | None = None) -> None:
        """Wake workers. If Redis does not answer, print a note: the sweep finds the work later."""
        try:
            self.wake(task, **({"week": week.id} if week else {}))
        except BrokerUnreachable as error:
            say(f"Note: {error}")

    def workers(self) -> list[str]:
        """Names of the workers that answer now.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        from kombu.exceptions import OperationalError

        from worker.app import app

        try:
            answers: list[Mapping[str, Any]] = app.control.ping(timeout=PING_SECONDS)
        except (OperationalError, OSError):
            raise BrokerUnreachable(self.host) from None
        return sorted(name for answer in answers for name in answer)

    def require_workers(self) -> list[str]:
        """Names of the workers that answer now, at least one.

        Raises:
            NoWorker: no worker answers.
            BrokerUnreachable: Redis does not answer.
        """
        if found := self.workers():
            return found
        raise NoWorker

    def figures(self) -> BrokerFigures:
        """The queues and the workers of this moment.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        import redis

        from worker.app import app

        queues = list(app.conf.task_queues)
        try:
            with self._client() as client:
                waiting = {queue: int(client.llen(queue)) for queue in queues}
                # kombu pushes at the left and takes from the right.
                tails = [client.lindex(queue, -1) for queue in queues]
        except redis.RedisError:
            raise BrokerUnreachable(self.host) from None
        sent = [moment for tail in tails if (moment := _sent_at(tail)) is not None]
        return BrokerFigures(waiting, min(sent, default=None), len(self.workers()))

    def redis_version(self) -> str:
        """
        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        import redis

        try:
            with self._client() as client:
                return str(client.info("server")["redis_version"])
        except redis.RedisError:
            raise BrokerUnreachable(self.host) from None

    def _client(self) -> Any:
        import redis

        return redis.Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=5)


def _sent_at(message: bytes | None) -> float | None:
    """When a message was sent, by its header; None without a message or a readable header."""
    try:
        return float(json.loads(message or b"")["headers"]["sent_at"])
    except (ValueError, KeyError, TypeError):
        return None
