"""Helpers of the stack's tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.local.service import ServiceStatus


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return when `condition` holds. The assertion fails when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def silent(message: str) -> None:
    """A callback that ignores its messages."""
    del message


def by_name(statuses: list[ServiceStatus]) -> dict[str, ServiceStatus]:
    return {status.name: status for status in statuses}
