"""Switches, heartbeats, running counts and figures for watchers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class ControlStore(Protocol):
    """Switches, heartbeats, and what watchers need to know."""

    def paused(self) -> str | None:
        """Why signing is paused, or None."""
        ...

    def pause(self, reason: str | None) -> None: ...

    def beat(self, name: str, now: datetime) -> None:
        """Record a heartbeat."""
        ...

    def last_beat(self, name: str) -> datetime | None: ...

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to running counts, which outlive every process that counts."""
        ...

    def counts(self) -> dict[str, int]: ...

    def mark(self, name: str, now: datetime) -> bool:
        """Remember that something was done; False if it is remembered already."""
        ...

    def unmark(self, name: str) -> None: ...

    def record_figures(self, name: str, figures: Mapping[str, Any]) -> None:
        """Replace a named set of figures that watchers read instead of asking the chain."""
        ...

    def figures(self, name: str) -> Mapping[str, Any]:
        """Those figures; empty before the first time."""
        ...
