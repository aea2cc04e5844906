"""Compares this machine's clock with the cluster's before a plan depends on it.

A cut-off from a wrong clock loses contributions for good, since the next plan counts only what was
recorded after it. The time of a finalized block is the stake-weighted median of the validators'
clocks, some seconds old.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.core.errors import NotReady
from worker.core.week import Week
from worker.services.context import Context


@dataclass(frozen=True, slots=True)
class ClockComparison:
    """This machine's clock beside the time of the newest finalized block."""

    now: datetime
    cluster: datetime

    @property
    def difference(self) -> timedelta:
        """How far this clock is ahead; negative if it is behind."""
        return self.now - self.cluster

    def sentence(self) -> str:
        seconds = self.difference.total_seconds()
        where = "ahead of" if seconds >= 0 else "behind"
        return (
            f"{abs(seconds):,.0f} s {where} the newest finalized block of "
            f"{self.cluster:%Y-%m-%d %H:%M:%S} UTC"
        )


class ClockDiffers(NotReady):
    """This machine's clock differs too much from the cluster's."""

    def __init__(self, found: ClockComparison, limit: timedelta) -> None:
        self.difference = found.difference
        super().__init__(
            f"This machine's clock shows {found.now:%Y-%m-%d %H:%M:%S} UTC, "
            f"{found.sentence()}. Above {limit.total_seconds():,.0f} s "
            "(CLOCK_DIFFERENCE_SECONDS_MAX) no week is planned or anchored, because a wrong "
            "cut-off loses contributions. Correct the clock; the sweeper then continues by itself."
        )


class WeekNotOverInCluster(NotReady):
    """By the cluster's time, contributions of the week may still be made."""

    def __init__(self, week: Week, found: ClockComparison) -> None:
        super().__init__(
            f"{week.label} is not over by the cluster's time: this machine's clock is "
            f"{found.sentence()}. A cut-off now would lose the week's last contributions. The "
            "week is planned when that block time has passed its end."
        )


class CutoffBeforeLast(NotReady):
    """By this machine's clock, the plan's cut-off would lie before the last plan's."""

    def __init__(self, week: Week, cutoff: int, last: int) -> None:
        then = datetime.fromtimestamp(last, UTC)
        behind = timedelta(seconds=last - cutoff)
        super().__init__(
            f"{week.label} waits until {then:%Y-%m-%d %H:%M:%S} UTC, in {behind}: the plan of the "
            "week before has counted all contributions up to that second, and an earlier cut-off "
            "would count some of them again. Check the clocks of all workers."
        )


def compare_clock(context: Context) -> ClockComparison:
    """
    Raises:
        BlockTimeUnknown: the cluster's time cannot be read.
    """
    cluster = context.chain.finalized_time()
    # Only the local chain is run with a shifted clock, and its blocks may be shifted alike.
    clocks = context.clock.unshifted(), context.clock.now()
    return ClockComparison(min(clocks, key=lambda now: abs(now - cluster)), cluster)


def check_clock(context: Context) -> ClockComparison:
    """
    Raises:
        ClockDiffers: the difference is beyond the tolerance.
        BlockTimeUnknown: the cluster's time cannot be read.
    """
    found, limit = compare_clock(context), context.limits.clock_difference_max
    if abs(found.difference) > limit:
        raise ClockDiffers(found, limit)
    return found


def next_cutoff(context: Context, week: Week, last: int | None) -> int:
    """Wait for the next whole second and return it. Contributions recorded later are late.

    `last`: the cut-off of the plan before, in unix seconds.

    Raises:
        ClockDiffers, BlockTimeUnknown: the clock is wrong, or may be.
        WeekNotOverInCluster: a clock that is fast within its limit may have closed the week early.
        CutoffBeforeLast: the last cut-off lies ahead.
    """
    found = check_clock(context)
    if found.cluster < week.end:
        raise WeekNotOverInCluster(week, found)
    cutoff = math.floor(context.clock.now().timestamp()) + 1
    check_order(week, cutoff, last)
    while (remaining := cutoff - context.clock.now().timestamp()) > 0:
        context.clock.sleep(remaining)
    return cutoff


def check_order(week: Week, cutoff: int, last: int | None) -> None:
    """
    Raises:
        CutoffBeforeLast: the last cut-off lies after this one.
    """
    if last is not None and cutoff < last:
        raise CutoffBeforeLast(week, cutoff, last)
