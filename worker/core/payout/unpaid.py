"""Unpaid rewards that wait for more than their batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from worker.core.payout.records import Reward


@dataclass(frozen=True, slots=True)
class UnpaidReward:
    """A reward that is paid alone, has failed, or is on an operator's hold."""

    reward: Reward
    next_attempt_at: datetime | None
