"""Decides what is news for people, who are told each event once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution

CLOSED_IS_NEWS = timedelta(days=2)
"""A week that was completed earlier is not announced: watching may have begun later."""


@dataclass(frozen=True, slots=True)
class Event:
    """A text for people. One with the same `key` is not sent again while the event lasts."""

    key: str
    text: str


def is_newly_completed(distribution: Distribution, now: datetime) -> bool:
    """Whether the end of a week is still news."""
    completed_at = distribution.completed_at
    is_completed = distribution.stage is Stage.COMPLETED and completed_at is not None
    return is_completed and now - (completed_at or now) < CLOSED_IS_NEWS
