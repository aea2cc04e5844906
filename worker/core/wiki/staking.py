"""Stakes: what may be staked, what a stake earns, and when it ends.

A stake earns simple interest by whole days of 24 hours, `amount x APY x days / 365`, rounded down
to the base unit. The sum is computed from the stake's beginning each time, so it does not depend
on how often or when it is looked at.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from worker.core.errors import Refused, UsageError
from worker.core.money import BaseUnits, tokens_text
from worker.core.plan.rules import Rules, StakingTier
from worker.core.wiki.counters import NO_TOKENS

DAY = timedelta(days=1)
DAYS_A_YEAR = 365


class StakeStatus(enum.StrEnum):
    """The owner's words."""

    ACTIVE = "active"
    COMPLETED = "completed"
    UNSTAKED_EARLY = "unstaked_early"


class StakeOfZero(UsageError):
    """Nothing would be staked."""

    def __init__(self) -> None:
        super().__init__("A stake of zero is none. Stake more than 0 KONTRIB.")


class StakeBelowMinimum(UsageError):
    """The stake is smaller than `system_config.min_stake`."""

    def __init__(self, amount: BaseUnits, minimum: BaseUnits) -> None:
        self.amount, self.minimum = amount, minimum
        super().__init__(
            f"A stake of {tokens_text(amount)} KONTRIB is below the least of "
            f"{tokens_text(minimum)} (system_config.min_stake)."
        )


class StakeBeyondEarned(Refused):
    """The user has not earned that much, or has staked it already."""

    def __init__(self, amount: BaseUnits, available: int) -> None:
        self.amount, self.available = amount, available
        super().__init__(
            f"{tokens_text(amount)} KONTRIB are more than the {tokens_text(max(0, available))} "
            "that this user has earned and not staked."
        )


class UnknownDuration(UsageError):
    """No tier has that many days."""

    def __init__(self, days: int, known: Sequence[int]) -> None:
        self.days = days
        listed = ", ".join(map(str, known))
        super().__init__(f"{days} is no staking period. Use one of these days: {listed}.")


class StakeHasEnded(Refused):
    """A stake can be ended once."""

    def __init__(self, stake_id: str, status: StakeStatus) -> None:
        self.status = status
        super().__init__(f"The stake {stake_id} has ended already; it is {status.value}.")


@dataclass(frozen=True, slots=True)
class StakeRecord:
    """One stake as `staking_records` holds it. Amounts in base units."""

    id: str
    user_id: str
    amount: BaseUnits
    days: int
    apy: Decimal
    multiplier: Decimal
    start: datetime
    end: datetime
    number: int | None = None
    """Counts a user's stakes from 1, so that two at the same time cannot both use the same
    tokens; None for a stake that the wiki itself recorded."""
    status: StakeStatus = StakeStatus.ACTIVE
    stake_signature: str | None = None
    unstake_signature: str | None = None
    unstaked_at: datetime | None = None
    rewards_earned: BaseUnits = NO_TOKENS
    accrued_through: datetime | None = None
    """The end of the last whole day that `rewards_earned` covers."""

    def is_active_at(self, moment: datetime) -> bool:
        """Whether the tokens were staked at a moment, whatever the status says today."""
        ended = self.end if self.unstaked_at is None else min(self.end, self.unstaked_at)
        return self.start <= moment < ended


def tier_of(rules: Rules, days: int) -> StakingTier:
    """
    Raises:
        UnknownDuration: no tier has that many days.
    """
    tiers = {tier.days: tier for tier in rules.staking_tiers}
    if days not in tiers:
        raise UnknownDuration(days, list(tiers))
    return tiers[days]


def check_stake(
    amount: BaseUnits, *, earned: BaseUnits, staked: BaseUnits, minimum: BaseUnits
) -> None:
    """
    Raises:
        StakeOfZero, StakeBelowMinimum, StakeBeyondEarned: named by what is wrong.
    """
    if amount == 0:
        raise StakeOfZero
    if amount < minimum:
        raise StakeBelowMinimum(amount, minimum)
    if amount > earned - staked:
        raise StakeBeyondEarned(amount, earned - staked)


def accrued_interest(amount: BaseUnits, apy: Decimal, days: int) -> BaseUnits:
    """Simple interest over whole days, in base units, rounded down once."""
    numerator, denominator = apy.as_integer_ratio()
    return BaseUnits(amount * numerator * days // (denominator * DAYS_A_YEAR))


def as_of(stake: StakeRecord, now: datetime) -> StakeRecord:
    """The stake with what it has earned until now, and completed if its time is over.

    The same stake comes back as long as no whole day has passed and nothing has ended.
    """
    if stake.status is not StakeStatus.ACTIVE:
        return stake
    status = StakeStatus.COMPLETED if now >= stake.end else StakeStatus.ACTIVE
    return replace(_accrued(stake, min(now, stake.end)), status=status)


def ended_early(stake: StakeRecord, now: datetime, signature: str | None) -> StakeRecord:
    """The stake as it is when the user ends it: early, unless its time is over anyway.

    Raises:
        StakeHasEnded: it was ended before.
    """
    if stake.status is not StakeStatus.ACTIVE:
        raise StakeHasEnded(stake.id, stake.status)
    if now >= stake.end:
        return replace(as_of(stake, now), unstake_signature=signature)
    # A clock that stands before the start ends the stake as it begins, never before.
    moment = max(now, stake.start)
    return replace(
        _accrued(stake, moment),
        status=StakeStatus.UNSTAKED_EARLY,
        unstaked_at=moment,
        unstake_signature=signature,
    )


def due_accrual(stake: StakeRecord) -> BaseUnits | None:
    """What `rewards_earned` must be, by `accrued_through`; None where nothing was accrued yet."""
    if stake.accrued_through is None:
        return None
    days = max(0, (stake.accrued_through - stake.start) // DAY)
    return accrued_interest(stake.amount, stake.apy, days)


def _accrued(stake: StakeRecord, until: datetime) -> StakeRecord:
    """With the interest of all whole days until a moment. It never goes back in time."""
    days = max(0, (until - stake.start) // DAY)
    through = stake.start + days * DAY
    if stake.accrued_through is not None and stake.accrued_through >= through:
        return stake
    earned = accrued_interest(stake.amount, stake.apy, days)
    return replace(stake, rewards_earned=earned, accrued_through=through)
