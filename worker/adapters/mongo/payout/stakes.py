"""Staking records as the plan reads them. One that cannot be read is named, and counts for nothing.

The wiki may have ended a stake without a date of its own. It ended no later than its `updated_at`
then, and without that date at its start: no bonus and no voting power rest on a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.datetime_ms import DatetimeMS

from worker.core.errors import KontribError
from worker.core.money import exact_decimal, rounded_down
from worker.core.payout.records import Stake, UnusableStake
from worker.core.plan.allocation import scaled_multiplier
from worker.core.week import Week
from worker.core.wiki.stake_record import StakeStatus

MULTIPLIER_MAX = 100
"""Far above any tier. A higher multiplier is a mistake that would give one user the whole pool."""
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
"""Stands for every later date: a database can hold years up to 275760, and Python cannot."""


class UnusableDates(KontribError):
    """A stake's dates or status do not say when it counts."""


@dataclass(frozen=True, slots=True)
class StakeSpan:
    """When a stake counts. `unstaked_at` is None for a stake that lasts until its end."""

    start: datetime
    end: datetime
    unstaked_at: datetime | None

    def covers(self, week: Week) -> bool:
        until = self.end if self.unstaked_at is None else min(self.end, self.unstaked_at)
        return self.start <= week.start and until >= week.end


def stake_span(document: Mapping[str, Any]) -> StakeSpan:
    """
    Raises:
        UnusableDates: a date is missing or no date, or the status is unknown.
    """
    start, end = moment_of(document.get("start_date")), _end_of(document)
    if start is None:
        raise UnusableDates(f"start_date is {document.get('start_date')!r}, which is no date")
    try:
        status = StakeStatus(document["status"])
    except (KeyError, ValueError):
        raise UnusableDates(f"status is {document.get('status')!r}, which is unknown") from None
    unstaked_at = moment_of(document.get("unstaked_at"))
    if unstaked_at is None and status is not StakeStatus.ACTIVE:
        ended = min(end, max(start, moment_of(document.get("updated_at")) or start))
        if ended < end or status is StakeStatus.UNSTAKED_EARLY:
            unstaked_at = ended
    return StakeSpan(start, end, unstaked_at)


def _end_of(document: Mapping[str, Any]) -> datetime:
    """A stake without an end has the one that its duration gives."""
    value, start = document.get("end_date"), moment_of(document.get("start_date"))
    days = document.get("duration_days")
    if value is None and start is not None and days is not None:
        try:
            return start + timedelta(days=int(exact_decimal(days)))
        except OverflowError:
            return LATEST
    if (end := moment_of(value)) is None:
        raise UnusableDates(f"end_date is {value!r}, which is no date")
    return end


def moment_of(value: object) -> datetime | None:
    """The date; the latest possible one for a date beyond it. None for anything else."""
    if isinstance(value, DatetimeMS):
        return LATEST if int(value) > 0 else None
    return value if isinstance(value, datetime) else None


def stake_covering(
    week: Week, document: Mapping[str, Any], user_id: str
) -> Stake | UnusableStake | None:
    """The stake if its dates cover the whole week, or why it counts for nothing."""
    try:
        span = stake_span(document)
        if not span.covers(week):
            return None
        amount = rounded_down(document.get("amount"))
        multiplier = exact_decimal(document.get("multiplier"))
        if amount == 0:
            raise KontribError("its amount is 0")
        if multiplier > MULTIPLIER_MAX:
            raise KontribError(f"a multiplier of {multiplier} is above {MULTIPLIER_MAX}")
        scaled_multiplier(multiplier)
    except (KontribError, OverflowError) as error:
        return UnusableStake(str(document.get("_id")), user_id, str(error))
    return Stake(user_id, amount, multiplier, span.start, span.end)
