"""The cost of a year: of the weeks that ended in it, since a week is paid when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from worker.core.cost import Cost, sum_of
from worker.core.payout.chain import Costs
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.week.status import board


@dataclass(frozen=True, slots=True)
class YearCost:
    """`weeks` are those that this system planned."""

    weeks: int
    cost: Cost


def year_cost(store: Store, year: int, costs: Costs | None) -> YearCost:
    """Sum the costs of the year's weeks, archived ones included."""
    first = store.first_week()
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    last = Week.containing(end).previous()
    if first is None or last < first:
        return YearCost(0, sum_of([]))
    weeks = [week for week in first.until(last) if begin <= week.end < end]
    boards = [board(store, week) for week in weeks if store.distribution(week) is not None]
    planned = [each for each in boards if each.root is not None and not each.is_historic]
    return YearCost(len(planned), sum_of(each.cost(costs) for each in planned))
