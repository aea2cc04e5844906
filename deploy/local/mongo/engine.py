"""The gateway's connection to PostgreSQL. It reconnects after a restart."""

from __future__ import annotations

import random
import select
import threading
import time
from collections import OrderedDict
from typing import Any

import psycopg

from deploy.local.mongo.errors import is_shutdown

# The longest wait of a command for a restarting PostgreSQL, before the client gets an error.
CONNECT_PATIENCE_S = 20.0
CONFLICT_ATTEMPTS_MAX = 30
CURSORS_MAX = 2_000

_ANSWERS_KEY = "answers_pkey"


class EngineUnreachable(Exception):
    """PostgreSQL went away. The outcome of the command is unknown, so the driver must repeat it."""


class OpenCursors:
    """The continuations of open cursors, shared by all connections. Drops the oldest first."""

    def __init__(self, cursors_max: int = CURSORS_MAX) -> None:
        self._cursors_max = cursors_max
        self._continuations: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, cursor_id: int, continuation: bytes) -> list[int]:
        """Remember a cursor, and return the dropped ones."""
        with self._lock:
            self._continuations[cursor_id] = continuation
            surplus = len(self._continuations) - self._cursors_max
            return [self._continuations.popitem(last=False)[0] for _ in range(surplus)]

    def take(self, cursor_id: int) -> bytes | None:
        """Take a cursor out, so that only one caller has it until it is put back."""
        with self._lock:
            return self._continuations.pop(cursor_id, None)


class Engine:
    """A connection to DocumentDB, opened at the first use. Drivers' monitors need none."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def row(
        self, sql: str, *arguments: object, after_conflict: str | None = None
    ) -> tuple[Any, ...]:
        """Like `row_or_none`, for a statement that always has a row."""
        row = self.row_or_none(sql, *arguments, after_conflict=after_conflict)
        if row is None:
            raise LookupError(f"no row from: {sql}")
        return row

    def row_or_none(
        self, sql: str, *arguments: object, after_conflict: str | None = None
    ) -> tuple[Any, ...] | None:
        """Run one statement, a transaction by itself, and return its first row.

        A deadlock undoes the statement, and the statement runs again, as in MongoDB. The repetition
        uses `after_conflict` if given.
        Raises EngineUnreachable, or psycopg.Error if the engine refuses.
        """
        for attempt in range(1, CONFLICT_ATTEMPTS_MAX):
            try:
                return self._run(sql, arguments)
            except psycopg.Error as error:
                if not _is_conflict(error):
                    raise
            sql = after_conflict or sql
            time.sleep(random.uniform(0.001, 0.005 * attempt))
        return self._run(sql, arguments)

    def _run(self, sql: str, arguments: tuple[object, ...]) -> tuple[Any, ...] | None:
        connection = self._connected()
        try:
            with connection.cursor(binary=True) as cursor:
                # Bytes, because psycopg's types accept only literal strings as SQL.
                row = cursor.execute(sql.encode(), arguments).fetchone()
        except psycopg.Error as error:
            if connection.closed or is_shutdown(error.sqlstate):
                connection.close()
                raise EngineUnreachable(str(error)) from error
            raise
        if row is None:
            return None
        return tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is not None and _is_stale(self._connection):
            self._connection.close()
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        deadline = time.monotonic() + CONNECT_PATIENCE_S
        while True:
            try:
                return psycopg.connect(
                    self._dsn, autocommit=True, prepare_threshold=1, connect_timeout=5
                )
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EngineUnreachable(str(error)) from error
                time.sleep(0.05)


def _is_stale(connection: psycopg.Connection[Any]) -> bool:
    """True if the server has closed the connection between two commands.

    A command sent afterwards would fail with an unknown outcome.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _is_conflict(error: psycopg.Error) -> bool:
    if isinstance(error, psycopg.errors.UniqueViolation):
        return error.diag.constraint_name == _ANSWERS_KEY
    return isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected)
