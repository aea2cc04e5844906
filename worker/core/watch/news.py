"""Decides which events people are notified of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution

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
