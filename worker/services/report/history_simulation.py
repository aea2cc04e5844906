"""Replays a history of contributions, week by week, under other rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from worker.core.errors import UsageError
from worker.core.plan.points import PointRules
from worker.core.report.simulation import Scenario, WeekOutcome, simulate_week, totals_by_user
from worker.core.report.spread import Spread, spread
from worker.core.week import Week
from worker.core.wiki.contribution_file import MalformedRecord, Occurrences, contribution_from
from worker.core.wiki.files.record import Record
from worker.core.wording import counted


class NoHistory(UsageError):
    """The file has no contributions of the chosen weeks."""

    def __init__(self, lines: int, malformed: int, first_problem: str) -> None:
        why = f"; the first malformed one: {first_problem}" if first_problem else ""
        super().__init__(
            f"The file has no contribution of these weeks ({counted(lines, 'line')}, {malformed:,} "
            f"malformed{why}). Check --from and --to."
        )


@dataclass(slots=True)
class History:
    """Points by week and user, and the number of lines that do not count."""

    weeks: dict[Week, dict[str, int]] = field(default_factory=dict)
    lines: int = 0
    contributions: int = 0
    malformed: int = 0
    first_problem: str = ""
    outside: int = 0
    """Contributions of other weeks."""

    def span(self) -> list[Week]:
        """Every week from the first to the last with contributions."""
        return min(self.weeks).until(max(self.weeks))


@dataclass(frozen=True, slots=True)
class Replay:
    """A history under one scenario. `overall` is the spread of the users' sums over all weeks."""

    scenario: Scenario
    weeks: list[WeekOutcome]
    overall: Spread

    @property
    def paid_weeks(self) -> list[WeekOutcome]:
        """Weeks in which somebody qualified."""
        return [outcome for outcome in self.weeks if outcome.spread.count]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same history under both scenarios."""

    history: History
    today: Replay
    tried: Replay


def read_history(
    records: Iterable[Record], rules: PointRules, first: Week | None, last: Week | None
) -> History:
    """Compute the points of every well-formed record from the first to the last week, included.

    Raises:
        NoHistory: there is no such record.
        NotAContributionFile: the records have another format.
    """
    history, occurrences = History(), Occurrences()
    for record in records:
        history.lines += 1
        try:
            if record.problem is not None:
                raise MalformedRecord(record.problem)
            found = contribution_from(record.values, rules, occurrences)
        except MalformedRecord as error:
            history.malformed += 1
            history.first_problem = history.first_problem or f"line {record.line}: {error}"
            continue
        week = Week.containing(found.created_at)
        if (first and week < first) or (last and week > last):
            history.outside += 1
            continue
        history.contributions += 1
        points = history.weeks.setdefault(week, {})
        points[found.user_id] = points.get(found.user_id, 0) + found.total_points
    if not history.weeks:
        raise NoHistory(history.lines, history.malformed, history.first_problem)
    return history


def replay(history: History, weeks: Sequence[Week], scenario: Scenario) -> Replay:
    """Simulate each of these weeks under a scenario. A week without contributions pays nobody."""
    outcomes = [simulate_week(week, history.weeks.get(week, {}), scenario) for week in weeks]
    return Replay(scenario, outcomes, spread(list(totals_by_user(outcomes).values())))
