"""A stake of tokens, one document of `staking_records`."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from worker.core.money import BaseUnits
from worker.core.wiki.counters import NO_TOKENS


class StakeStatus(enum.StrEnum):
    """The state of a stake, in the owner's words."""

    ACTIVE = "active"
    COMPLETED = "completed"
    UNSTAKED_EARLY = "unstaked_early"


@dataclass(frozen=True, slots=True)
class StakeRecord:
    """One stake. Amounts are base units."""

    id: str
    user_id: str
    amount: BaseUnits
    days: int
    apy: Decimal
    multiplier: Decimal
    start: datetime
    end: datetime
    number: int | None = None
    """The position among the user's stakes, from 1. It is unique, so two stakes made at the same
    time cannot use the same tokens. None for a stake that the wiki itself recorded."""
    status: StakeStatus = StakeStatus.ACTIVE
    stake_signature: str | None = None
    unstake_signature: str | None = None
    unstaked_at: datetime | None = None
    rewards_earned: BaseUnits = NO_TOKENS
    accrued_through: datetime | None = None
    """The end of the last whole day in `rewards_earned`."""

    def is_active_at(self, moment: datetime) -> bool:
        """Whether the tokens were staked at a moment, by the dates alone."""
        ended = self.end if self.unstaked_at is None else min(self.end, self.unstaked_at)
        return self.start <= moment < ended
