"""The interest of a stake.

A stake earns simple interest by whole days of 24 hours, `amount x APY x days / 365`, rounded down
to the base unit. Each accrual computes the sum from the stake's beginning, so the result does not
depend on the number and times of accruals.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from worker.core.money import BaseUnits
from worker.core.wiki.stake_record import StakeRecord

DAY = timedelta(days=1)
DAYS_A_YEAR = 365


def accrued_interest(amount: BaseUnits, apy: Decimal, days: int) -> BaseUnits:
    """Simple interest over whole days, in base units, rounded down once."""
    numerator, denominator = apy.as_integer_ratio()
    return BaseUnits(amount * numerator * days // (denominator * DAYS_A_YEAR))


def due_accrual(stake: StakeRecord) -> BaseUnits | None:
    """The interest until `accrued_through`; None before the first accrual."""
    if stake.accrued_through is None:
        return None
    days = max(0, (stake.accrued_through - stake.start) // DAY)
    return accrued_interest(stake.amount, stake.apy, days)


def accrued(stake: StakeRecord, until: datetime) -> StakeRecord:
    """The stake with the interest of all whole days until `until`.

    Interest never shrinks: the wiki may have counted more for a stake of its own.
    """
    days = max(0, (until - stake.start) // DAY)
    through = stake.start + days * DAY
    if stake.accrued_through is not None and stake.accrued_through >= through:
        return stake
    earned = accrued_interest(stake.amount, stake.apy, days)
    kept = stake.rewards_earned if stake.number is None else earned
    return replace(stake, rewards_earned=max(earned, kept), accrued_through=through)
