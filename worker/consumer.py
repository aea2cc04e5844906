"""The part of a worker that holds the connection to Redis: it waits for Redis and never ends.

Celery's own consumer ends the worker if Redis refuses a write (read-only, full). And if Redis does
not confirm that a task is done, Celery logs it and goes on: the message then counts as being worked
on for ever, and the worker takes no other. This consumer reconnects in both cases. Redis then
delivers the message again, and the task finds nothing left to do.
"""

from __future__ import annotations

import warnings
from time import monotonic, sleep
from typing import Any

import structlog
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from worker.redis_faults import explain, host_of

REFUSED_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 0.2
GOSSIP = "celery.worker.consumer.gossip:Gossip"

# Celery prints a paragraph about its next version each time.
warnings.simplefilter("ignore", CPendingDeprecationWarning)

log = structlog.get_logger("kontrib.consumer")


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Reconnects after every error of Redis."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """All steps but gossip: our workers tell each other nothing."""

        default_steps = tuple(s for s in Consumer.Blueprint.default_steps if s != GOSSIP)

    connection_errors: tuple[type[BaseException], ...]
    channel_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost_errors = self.connection_errors
        # Celery only logs these where it confirms or rejects a message; elsewhere it reconnects
        # after the errors of both tuples.
        self.channel_errors += self.connection_errors
        self.connection_errors = ()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        self._log(exc)
        super().on_connection_error_after_connected(exc)
        if not isinstance(exc, self._lost_errors):
            _pause()

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        self._log(exc)
        _pause()

    def ensure_connected(self, conn: Any) -> Any:
        def note(error: Exception, seconds: float) -> None:
            self._log(error, again_after_seconds=seconds)

        connected = conn.ensure_connection(note, None, callback=maybe_shutdown)
        self.first_connection_attempt = False
        return connected

    def _log(self, error: Exception, **more: float) -> None:
        fault = explain(error, host_of(self.conninfo.as_uri())).fault
        log.warning("waits for Redis", reason=fault, **more)


def _pause() -> None:
    """Wait before the next try at a Redis that answers and refuses. A signal ends the wait.

    Raises:
        WorkerShutdown, WorkerTerminate: the worker was asked to end.
    """
    end = monotonic() + REFUSED_PAUSE_SECONDS
    while monotonic() < end:
        maybe_shutdown()
        sleep(LOOK_SECONDS)
