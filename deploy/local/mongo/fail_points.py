"""MongoDB's fail points: a client asks the gateway to fail, so that a test sees what follows.

`failCommand` and `onPrimaryTransactionalWrite` are MongoDB's own. `applyBulkPiecemeal` is the
gateway's: see `piecemeal.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.mongo.errors import Document, failure
from deploy.local.mongo.wire import Reply, decoded

FAIL_COMMAND = "failCommand"
ON_RETRYABLE_WRITE = "onPrimaryTransactionalWrite"
APPLY_BULK_PIECEMEAL = "applyBulkPiecemeal"
_NAMES = frozenset({FAIL_COMMAND, ON_RETRYABLE_WRITE, APPLY_BULK_PIECEMEAL})
# Errors after which a driver repeats a write: the server answers them with a label.
_RETRYABLE_CODES = frozenset({6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
_RETRYABLE_LABEL = "RetryableWriteError"

Data = Mapping[str, Any]
Run = Callable[[], Reply]


class ClientCutOff(Exception):
    """A fail point closes the connection of the client without an answer."""


@dataclass
class _Armed:
    """A fail point that lets `skip` commands pass, and then fires `times` times; None is ever."""

    data: Data
    skip: int
    times: int | None
    fired: int = 0


class FailPoints:
    """The fail points of one gateway, shared by its connections."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}
        self._cut_writes: set[tuple[str, str | None]] = set()
        self._lock = threading.Lock()

    def configure(self, name: str, mode: str | Mapping[str, Any], data: Data) -> Document:
        """Set or switch off a fail point; `count` in the reply is how often it fired before."""
        if name not in _NAMES:
            return failure(15891, "FailPointNotFound", f"{name} not found")
        with self._lock:
            before = self._armed.pop(name, None)
            reply: Document = {"count": before.fired if before else 0, "ok": 1.0}
            if mode == "off":
                return reply
            if mode == "alwaysOn":
                armed = _Armed(data, 0, None)
            elif isinstance(mode, Mapping) and {*mode} <= {"times", "skip"}:
                times = mode.get("times")
                armed = _Armed(
                    data, int(mode.get("skip", 0)), None if times is None else int(times)
                )
            else:
                return failure(2, "BadValue", f"unknown mode of a fail point: {mode!r}")
            self._armed[name] = armed
        return reply

    def take(self, name: str, applies: Callable[[Data], bool]) -> Data | None:
        """The data of a fail point that fires for this command, or None."""
        with self._lock:
            armed = self._armed.get(name)
            if armed is None or not applies(armed.data):
                return None
            if armed.skip > 0:
                armed.skip -= 1
                return None
            if armed.times is not None:
                if armed.times == 0:
                    return None
                armed.times -= 1
            armed.fired += 1
            return armed.data

    def remember_cut(self, name: str, retry_id: str | None) -> None:
        """Remember a write that a fail point cut off, since its repetition is the same write."""
        if retry_id is not None:
            self._cut_writes.add((name, retry_id))

    def was_cut(self, name: str, retry_id: str | None) -> bool:
        return (name, retry_id) in self._cut_writes

    def take_write(self, retry_id: str | None) -> Data | None:
        """The data of `onPrimaryTransactionalWrite` for a write that it did not cut off before."""
        if retry_id is None or self.was_cut(ON_RETRYABLE_WRITE, retry_id):
            return None
        data = self.take(ON_RETRYABLE_WRITE, lambda _: True)
        if data is not None and "failBeforeCommitExceptionCode" not in data:
            self.remember_cut(ON_RETRYABLE_WRITE, retry_id)
        return data


def run_with_fail_points(points: FailPoints, name: str, retry_id: str | None, run: Run) -> Reply:
    """Run a command, and fail before or after it as the fail points ask. Raises ClientCutOff."""
    data = points.take(FAIL_COMMAND, lambda data: name in data.get("failCommands", ()))
    retryable = retry_id is not None
    if data is not None and (failed := _fail_before(data, retryable=retryable)):
        return failed
    cut = points.take_write(retry_id)
    if cut is not None and "failBeforeCommitExceptionCode" in cut:
        raise ClientCutOff(ON_RETRYABLE_WRITE)
    reply = run()
    if cut is not None:
        raise ClientCutOff(ON_RETRYABLE_WRITE)
    return reply if data is None else _fail_after(data, reply, retryable=retryable)


def _fail_before(data: Data, *, retryable: bool) -> Document | None:
    """What `failCommand` does instead of the command: an error, or None to run it.

    Raises ClientCutOff.
    """
    if data.get("blockConnection"):
        time.sleep(int(data["blockTimeMS"]) / 1000)
    if data.get("closeConnection"):
        raise ClientCutOff(FAIL_COMMAND)
    if "errorCode" not in data:
        return None
    code = int(data["errorCode"])
    reply = failure(code, "FailPointEnabled", "Failing command via 'failCommand' failpoint")
    labels = data.get("errorLabels")
    if labels is None:
        labels = [_RETRYABLE_LABEL] if retryable and code in _RETRYABLE_CODES else []
    return reply | ({"errorLabels": [*labels]} if labels else {})


def _fail_after(data: Data, reply: Reply, *, retryable: bool) -> Reply:
    """The reply of a command that ran, with the write concern error of `failCommand`."""
    error = data.get("writeConcernError")
    if error is None:
        return reply
    error = dict(error)
    labels = error.pop("errorLabels", None) or data.get("errorLabels")
    if labels is None and retryable and error.get("code") in _RETRYABLE_CODES:
        labels = [_RETRYABLE_LABEL]
    return {**decoded(reply), "writeConcernError": error} | (
        {"errorLabels": [*labels]} if labels else {}
    )
