"""The port of switches, heartbeats, running counts and figures for watchers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class ControlStore(Protocol):
    """Switches, heartbeats, running counts and figures."""

    def paused(self) -> str | None:
        """Why signing is paused, or None."""

    def pause(self, reason: str | None) -> None: ...

    def beat(self, name: str, now: datetime) -> None:
        """Record a heartbeat."""

    def last_beat(self, name: str) -> datetime | None: ...

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to the stored running counts of all processes."""

    def counts(self) -> dict[str, int]: ...

    def mark(self, name: str, now: datetime) -> bool:
        """Set a named mark; False if it was set already."""

    def marked_at(self, name: str) -> datetime | None:
        """When a mark was set; None without a mark."""

    def unmark(self, name: str) -> None: ...

    def record_figures(self, name: str, figures: Mapping[str, Any]) -> None:
        """Replace a named set of figures. Watchers read it instead of asking the chain."""

    def figures(self, name: str) -> Mapping[str, Any]:
        """A named set of figures; empty if never recorded."""
