"""Documents that the wiki owns and a plan reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from worker.core.payout.records import Account, Stake, UnusableStake, WeekPoints
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week


class WikiStore(Protocol):
    """Reads the wiki's documents. No method writes."""

    def rules_document(self) -> Mapping[str, Any] | None:
        """The owner's `system_config` document; see `worker.core.plan.rules.rules_from`."""

    def week_points(self, window: PointsWindow, rules: Rules, malformed_max: int = 0) -> WeekPoints:
        """Points of each user in the window, all from one moment.

        All malformed contributions are counted, and at most `malformed_max` of them are listed. A
        user whose id is stored in several forms appears once, under the canonical id.

        Raises:
            PointsNotExact: a sum of doubles is larger than the integers that a double holds.
        """

    def accounts(self, user_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Account]:
        """The users among these that exist, by canonical id, with these fields of the document."""

    def user_ids(self) -> Iterator[str]:
        """Every user of the wiki, by canonical id."""

    def unusable_stakes(self, week: Week) -> list[UnusableStake]:
        """Stakes that may cover the week, and count for nothing because of what they hold."""
        ...

    def stakes_covering(self, week: Week, user_ids: Sequence[str]) -> list[Stake]:
        """Stakes of these users, of any status, whose dates cover the whole week.

        The dates are `start_date`, `end_date` and `unstaked_at`.
        """
