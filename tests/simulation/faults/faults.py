"""Numbers every external call of a service, and makes chosen calls go wrong.

A `Process` stands for a process that can be killed: the services' context with every port behind a
gate. After a crash, no call reaches the outside, not even from a `finally`. Leases and other
holdings of the process remain.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from worker.core.errors import Unreachable
from worker.ports.payout import Archive, Chain, Clock, Store
from worker.services.context import Context

LATE_SECONDS = 75.0
"""More than the 150 blocks for which a blockhash is good, at 0.4 seconds each."""


class Crashed(BaseException):
    """The process was killed. Services cannot catch this."""


class Fault(enum.Enum):
    """The faults of one external call."""

    CRASH_BEFORE = "crash before it"
    CRASH_AFTER = "crash after it"
    ERROR_THOUGH_DONE = "error, but it happened"
    ERROR_NOT_DONE = "error, and it did not happen"
    LATE = "late by more than a blockhash"


@dataclass(frozen=True, slots=True)
class Call:
    """One external call: its number in the process, and its place in the code."""

    number: int
    port: str
    method: str
    file: str
    line: int


Gate = Callable[[Call], None]


def _open_gate(call: Call) -> None:
    """Lets every call pass."""


class Process:
    """One running process. `before` and `after` get each call, and may raise or do other work."""

    def __init__(
        self, context: Context, before: Gate = _open_gate, after: Gate = _open_gate
    ) -> None:
        self.calls: list[Call] = []
        self.crashed = False
        self._before, self._after = before, after
        self.context = replace(
            context,
            store=cast(Store, _Port(self, "store", context.store)),
            chain=cast(Chain, _Port(self, "chain", context.chain)),
            archive=cast(Archive, _Port(self, "archive", context.archive)),
        )

    def pass_through(self, port: str, method: str, inner: Callable[[], Any], frame: Any) -> Any:
        """Make one external call, unless the process is dead."""
        if self.crashed:
            raise Crashed
        number, code = len(self.calls), frame.f_code
        call = Call(number, port, method, code.co_filename, frame.f_lineno)
        self.calls.append(call)
        self._guarded(self._before, call)
        result = inner()
        if isinstance(result, Iterator):
            result = iter(list(result))  # a stream is read while the server still answers
        self._guarded(self._after, call)
        return result

    def _guarded(self, gate: Gate, call: Call) -> None:
        if self.crashed:
            raise Crashed
        try:
            gate(call)
        except Crashed:
            self.crashed = True
            raise


class _Port:
    """Stands for a port. Methods pass through the process's gate, plain values do not."""

    def __init__(self, process: Process, name: str, real: object) -> None:
        self._process, self._name, self._real = process, name, real

    def __getattr__(self, method: str) -> Any:
        attribute = getattr(self._real, method)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._process.pass_through(
                self._name, method, lambda: attribute(*args, **kwargs), sys._getframe(1)
            )

        return call


def process_with_fault(context: Context, fault: Fault, number: int) -> Process:
    """A process with a fault at exactly one external call."""

    def before(call: Call) -> None:
        if call.number != number:
            return
        if fault is Fault.CRASH_BEFORE:
            raise Crashed
        if fault is Fault.ERROR_NOT_DONE:
            raise Unreachable(f"no answer to {call.method}")
        if fault is Fault.LATE:
            _pass_time(context.clock)

    def after(call: Call) -> None:
        if call.number != number:
            return
        if fault is Fault.CRASH_AFTER:
            raise Crashed
        if fault is Fault.ERROR_THOUGH_DONE:
            raise Unreachable(f"no answer to {call.method}")

    return Process(context, before, after)


def _pass_time(clock: Clock) -> None:
    clock.sleep(LATE_SECONDS)
