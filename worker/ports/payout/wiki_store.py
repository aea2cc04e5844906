"""Documents that the wiki owns and a plan reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from worker.core.payout.records import Account, Stake, WeekPoints
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week


class WikiStore(Protocol):
    """Documents of the wiki. Nothing here writes."""

    def rules_document(self) -> Mapping[str, Any] | None:
        """The owner's `system_config` document; see `worker.core.plan.rules.rules_from`."""
        ...

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """Points of each user in the window, and contributions that cannot count.

        At most `malformed_max` of those are listed. With 0 they are not searched, and not counted.

        A user whose id is stored in several forms appears once, in the canonical form.

        Raises:
            ContributionsChanging: contributions changed during the sum; try again.
        """
        ...

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        """The users among these that exist, by canonical id, with these fields of the document."""
        ...

    def user_ids(self) -> Iterator[str]:
        """Every user of the wiki, by canonical id."""
        ...

    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        """Stakes of these users whose dates cover the whole week (start_date, end_date,
        unstaked_at). Their status does not matter."""
        ...
