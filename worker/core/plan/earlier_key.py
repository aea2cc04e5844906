"""The receipt key whose weeks another one continues."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class EarlierKey:
    """What the first plans of a new receipt key need of the key before it."""

    cutoff: int
    """The last cut-off in unix seconds. What was recorded later counts as late."""
    first_week: Week
    """The earliest week whose late contributions count."""
