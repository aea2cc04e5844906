"""What the tests of the stack share."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.local.service import ServiceStatus


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return when `condition` holds; a failed assertion if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def silent(message: str) -> None:
    """A listener that does not listen."""
    del message


def by_name(statuses: list[ServiceStatus]) -> dict[str, ServiceStatus]:
    return {status.name: status for status in statuses}
