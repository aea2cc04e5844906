"""Decides which events people are notified of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.week import Week

CLOSED_IS_NEWS = timedelta(days=2)
"""An older completion is not announced, since monitoring may have begun later."""


@dataclass(frozen=True, slots=True)
class Event:
    """A text for people. It is sent once per `key` while the event lasts."""

    key: str
    text: str


def is_newly_completed(distribution: Distribution, now: datetime) -> bool:
    """Whether a week was completed recently enough to be announced."""
    completed_at = distribution.completed_at
    is_completed = distribution.stage is Stage.COMPLETED and completed_at is not None
    return is_completed and now - (completed_at or now) < CLOSED_IS_NEWS


def stuck_text(week: Week, distribution: Distribution | None, overdue: datetime) -> str | None:
    """A text if the week stopped, or is open although it ended by `overdue`; else None."""
    stage = distribution.stage if distribution else Stage.DUE
    reason = (distribution.reason if distribution else None) or "no reason is recorded"
    look = f"Look with `kontrib status {week.label}`."
    if distribution is not None and distribution.stopped:
        return f"{week.label} stopped: {reason} {look}"
    if stage is not Stage.COMPLETED and week.end <= overdue:
        return f"{week.label} is stuck ({stage.value}): {reason} {look}"
    return None
