"""Published plans, outside the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from worker.core.week import Week


class Archive(Protocol):
    """Where plans are published, outside the database."""

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        """Write a plan under its root and flush it. Publishing the same again is harmless."""
        ...

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        """The lines of a published plan, or None if it is not there."""
        ...

    def location(self, week: Week, root: bytes) -> str:
        """Where a plan is, for people."""
        ...
