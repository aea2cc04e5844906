"""The ports beside chain and database: the time, messages to people, and published plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from worker.core.week import Week


class Clock(Protocol):
    """The only source of time outside the command line and the task layer."""

    def now(self) -> datetime:
        """The present moment, in UTC."""

    def unshifted(self) -> datetime:
        """The present moment without the shift that runs past weeks on the local chain."""

    def sleep(self, seconds: float) -> None: ...


class Notifier(Protocol):
    """Sends messages to a place where people read them."""

    def notify(self, text: str) -> None:
        """
        Raises:
            Unreachable: the message may not have arrived.
        """


class Archive(Protocol):
    """Published plans, outside the database."""

    def publish(self, week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        """Write a plan under its root durably, and read it back. The same again is harmless.

        Raises:
            Unreachable: the storage refused the plan, or did not keep it.
        """

    def fetch(self, week: Week, root: bytes) -> AbstractContextManager[Iterator[bytes]] | None:
        """The lines of a published plan, or None if the archive lacks it."""

    def roots(self, week: Week) -> list[bytes]:
        """The roots of all plans that are published for a week, anchored or not."""

    def location(self, week: Week, root: bytes) -> str:
        """The place of a plan, as shown to people."""
