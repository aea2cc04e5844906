"""The rules of staking: allowed amounts and periods, and the end of a stake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from worker.core.errors import Refused, UsageError
from worker.core.money import BaseUnits, tokens_text
from worker.core.plan.rules import Rules, StakingTier
from worker.core.wiki.interest import accrued
from worker.core.wiki.stake_record import StakeRecord, StakeStatus


class StakeOfZero(UsageError):
    """The amount is zero."""

    def __init__(self) -> None:
        super().__init__("A stake must be more than 0 KONTRIB.")


class StakeBelowMinimum(UsageError):
    """The stake is smaller than `system_config.min_stake`."""

    def __init__(self, amount: BaseUnits, minimum: BaseUnits) -> None:
        self.amount, self.minimum = amount, minimum
        super().__init__(
            f"A stake of {tokens_text(amount)} KONTRIB is below the minimum of "
            f"{tokens_text(minimum)} (system_config.min_stake)."
        )


class StakeBeyondEarned(Refused):
    """The stake is larger than the user's earned and unstaked tokens."""

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
        super().__init__(f"{days} days is not a staking period. Choose one of: {listed}.")


class StakeHasEnded(Refused):
    """The stake was ended before."""

    def __init__(self, stake_id: str, status: StakeStatus) -> None:
        self.status = status
        super().__init__(f"The stake {stake_id} has ended already; it is {status.value}.")


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
        StakeOfZero: the amount is 0.
        StakeBelowMinimum: the amount is below `minimum`.
        StakeBeyondEarned: the amount is more than `earned - staked`.
    """
    if amount == 0:
        raise StakeOfZero
    if amount < minimum:
        raise StakeBelowMinimum(amount, minimum)
    if amount > earned - staked:
        raise StakeBeyondEarned(amount, earned - staked)


def as_of(stake: StakeRecord, now: datetime) -> StakeRecord:
    """The stake with its interest until now, and completed if its time is over.

    The result equals the stake if no new whole day has passed and the stake has not ended.
    """
    if stake.status is not StakeStatus.ACTIVE:
        return stake
    status = StakeStatus.COMPLETED if now >= stake.end else StakeStatus.ACTIVE
    return replace(accrued(stake, min(now, stake.end)), status=status)


def ended_early(stake: StakeRecord, now: datetime, signature: str | None) -> StakeRecord:
    """The stake after the user ends it: early, unless its time is already over.

    Raises:
        StakeHasEnded: it was ended before.
    """
    if stake.status is not StakeStatus.ACTIVE:
        raise StakeHasEnded(stake.id, stake.status)
    if now >= stake.end:
        return replace(as_of(stake, now), unstake_signature=signature)
    # With a clock before the start, the stake ends at its start, never earlier.
    moment = max(now, stake.start)
    return replace(
        accrued(stake, moment),
        status=StakeStatus.UNSTAKED_EARLY,
        unstaked_at=moment,
        unstake_signature=signature,
    )
