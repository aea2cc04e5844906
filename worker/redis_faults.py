"""What is wrong with Redis, in words: away, read-only, full, or refusing the login."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from worker.core.errors import Unreachable

ANSWER_SECONDS_MAX = 2.0
REASON_CHARACTERS_MAX = 160
PROBE_KEY, PROBE_MILLISECONDS = "_kombu.kontrib.probe", 1000
"""A name that kombu's own access rules cover. The key deletes itself."""

FAULTS = (
    (
        ("NOAUTH", "Authentication required"),
        "requires a password",
        "Write it into REDIS_URL: redis://:PASSWORD@host:6379/0.",
    ),
    (
        ("AuthenticationError", "without any password configured", "Client sent AUTH"),
        "refuses the password",
        "Correct user and password in REDIS_URL; if Redis has none, take them out.",
    ),
    (
        ("NoPermissionError", "NOPERM"),
        "denies the user of REDIS_URL a command",
        "Give this user all commands on all keys and channels (ACL SETUSER).",
    ),
    (
        ("ReadOnlyError", "read only replica", "MasterDownError", "UNBLOCKED"),
        "is read-only: a replica, perhaps after a failover",
        "Point REDIS_URL at the primary, or promote this one: redis-cli REPLICAOF NO ONE.",
    ),
    (
        ("OutOfMemoryError", "maxmemory"),
        "is full: maxmemory is reached",
        "Raise maxmemory, or remove what else is in it. kontrib's queues need a few megabytes.",
    ),
    (
        ("MISCONF", "NOREPLICAS"),
        "refuses writes, since it cannot save or replicate them",
        "Look at its log and its disk.",
    ),
    (
        ("BusyLoadingError",),
        "is still loading its data",
        "Wait a moment.",
    ),
    (
        ("max number of clients",),
        "accepts no more connections",
        "Raise its maxclients, or end other clients.",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED", "SSL:"),
        "does not pass the check of its TLS certificate",
        "Correct ssl_ca_certs or the host in REDIS_URL (docs/operations.md, TLS).",
    ),
)
"""Marks of a fault (names of exceptions, or parts of their texts), the fault, and the remedy.

The first match counts. Inside a script, Redis wraps the error, so only its text remains.
"""
NOTHING_LOST = "Nothing is lost: once Redis is back, the sweep finds all due work."


class RedisUnusable(Unreachable):
    """Redis cannot be used. The message holds the host, never the password."""

    def __init__(self, host: str, fault: str, remedy: str) -> None:
        self.fault = f"Redis at {host} {fault}"
        self.remedy = remedy
        super().__init__(f"{self.fault}. {remedy} {NOTHING_LOST}")


def host_of(redis_url: str) -> str:
    """Host and port of Redis, or its socket's path, without the password."""
    parts = urlsplit(redis_url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


def explain(error: BaseException, host: str) -> RedisUnusable:
    """What an error of redis-py, kombu or the network says about Redis."""
    chain = list(_chain(error))
    names = " ".join(kind.__name__ for each in chain for kind in type(each).__mro__)
    seen = f"{names} {' '.join(map(str, chain))}"
    for marks, fault, remedy in FAULTS:
        if any(mark in seen for mark in marks):
            return RedisUnusable(host, fault, remedy)
    reason = " ".join(str(error).split())[:REASON_CHARACTERS_MAX].rstrip(".")
    fault = f"does not answer ({reason or type(error).__name__})"
    return RedisUnusable(host, fault, "Start it, or correct REDIS_URL.")


class FaultsInWords(logging.Filter):
    """Names the fault of Redis where a library would print its traceback.

    Celery prints one if the end of a task is to be confirmed when the connection is lost. Any other
    error, also redis-py's own of a wrong use, keeps its traceback.
    """

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def filter(self, record: logging.LogRecord) -> bool:
        import redis
        from kombu.exceptions import OperationalError

        of_redis = (redis.ConnectionError, redis.TimeoutError, redis.ResponseError)
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (*of_redis, OperationalError)):
            fault = explain(error, self._host).fault
            record.msg, record.args = "%s: %s", (record.getMessage(), fault)
            record.exc_info = record.exc_text = None
        return True


def open_client(redis_url: str) -> Any:
    """A client that answers or fails within seconds: it does not try again."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        redis_url,
        socket_timeout=ANSWER_SECONDS_MAX,
        socket_connect_timeout=ANSWER_SECONDS_MAX,
        retry=Retry(NoBackoff(), 0),
    )


def require_redis(redis_url: str) -> None:
    """Write to Redis, since a read-only or full one still answers.

    Raises:
        RedisUnusable: says why the write failed.
    """
    import redis

    try:
        with open_client(redis_url) as client:
            client.set(PROBE_KEY, "", px=PROBE_MILLISECONDS)
    except (redis.RedisError, OSError) as error:
        raise explain(error, host_of(redis_url)) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
