"""Documents that the wiki owns and a plan reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from worker.core.payout.records import (
    Account,
    PointsWindow,
    Stake,
    WeekPoints,
)
from worker.core.plan.rules import Rules
from worker.core.week import Week


class WikiStore(Protocol):
    """What the wiki owns, and we read."""

    def rules_document(self) -> Mapping[str, Any] | None:
        """The owner's `system_config` document as it is; see `core.rules.rules_from`."""
        ...

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """Valid points of each user with any in the window, and what cannot count, of which at
        most `malformed_max` are listed; with 0, nobody looks for it, and the count is 0.

        A user whose id is stored in several forms appears once, in the canonical form.

        Raises:
            ContributionsChanging: they are changed while they are added up; try again.
        """
        ...

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        """The users among these that exist, by canonical id."""
        ...

    def user_ids(self) -> Iterator[str]:
        """Every user of the wiki, by canonical id."""
        ...

    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        """Stakes of these users whose dates cover the whole week (start_date, end_date,
        unstaked_at), whatever their status says."""
        ...
