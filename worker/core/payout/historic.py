"""Weeks that another system distributed, before this one or beside it."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.lifecycle import Status
from worker.core.money import BaseUnits, tokens_text
from worker.core.week import Week
from worker.core.wording import counted


@dataclass(frozen=True, slots=True)
class HistoricWeek:
    """The figures of a distribution that another system made, as it stored them."""

    status: Status
    contributors: int
    points: int
    amount: BaseUnits
    has_document: bool = True
    """False if only the rewards of that system are there: the figures are their sums."""

    def blocks(self, week: Week) -> str:
        """Why this system neither plans nor pays the week, and the command that changes it."""
        return (
            f"{week.label} was distributed by another system ({self.status.value}, "
            f"{counted(self.contributors, 'contributor')}, {tokens_text(self.amount)} KONTRIB), so "
            f"it is neither planned nor paid, and later weeks wait. {self._way_out()} "
            f'`kontrib migrate set-aside {week.label} --reason "why"`.'
        )

    def _way_out(self) -> str:
        if self.has_document:
            return "To plan and pay the week here all over, move that document away with"
        return "There are only its rewards. To plan and pay the week here all over, decide so with"
