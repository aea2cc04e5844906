"""The in-memory twin of the database: no wall clock, no randomness, cheap snapshots.

It passes the same contract suite as the real one (tests/contracts/payout/test_store_contract.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.fakes.store.costs import FakeCosts
from tests.fakes.store.payouts import FakePayouts
from tests.fakes.store.plans import FakePlans
from tests.fakes.store.progress import FakeProgress
from tests.fakes.store.rewards import FakeRewards
from tests.fakes.store.state import State, StoredWeek, as_stored, to_milliseconds
from tests.fakes.store.wiki_data import FakeWiki
from worker.adapters.mongo.payout.documents import distribution_of
from worker.adapters.mongo.payout.historic import is_monday
from worker.core.plan.totals import NO_TOTALS
from worker.core.week import Week


class FakeStore(FakeWiki, FakePlans, FakePayouts, FakeRewards, FakeProgress, FakeCosts):
    """Implements `worker.ports.payout.Store` in memory."""

    def __init__(self) -> None:
        self.state = State()

    # --- backups --------------------------------------------------------------------------------

    def snapshot(self) -> State:
        """A backup of everything, which later changes leave unchanged."""
        return self.state.copy()

    def restore(self, backup: State) -> None:
        """Restore a backup of any age. It can be restored more than once."""
        self.state = backup.copy()

    # --- actions of the wiki and its operators --------------------------------------------------

    def add_user(self, document: Mapping[str, Any]) -> None:
        """Add a user, or replace the one with the same `_id`."""
        self.state.users[document["_id"]] = dict(document)

    def add_contribution(self, document: Mapping[str, Any]) -> None:
        self.state.contributions[document["_id"]] = dict(document)

    def add_stake(self, document: Mapping[str, Any]) -> None:
        self.state.stakes[len(self.state.stakes)] = as_stored(dict(document))

    def add_historic_reward(self, document: Mapping[str, Any]) -> None:
        self.state.historic_rewards.append(as_stored(dict(document)))

    def add_distribution(self, document: Mapping[str, Any]) -> None:
        """Add a distribution of another system."""
        stored = as_stored(dict(document))
        if not is_monday(stored.get("week_start")):
            self.state.odd_weeks.append(stored)
            return
        known = distribution_of(stored, archived=False)
        self.state.weeks[known.week] = StoredWeek(known, NO_TOTALS | {"started_at": None} | stored)

    def set_user_fields(self, user_id: object, **fields: Any) -> None:
        """Change fields of an existing user, such as `wallet_address`, as the wiki does."""
        self.state.users[user_id] = self.state.users[user_id] | fields

    def set_rules(self, **fields: Any) -> None:
        """Change values of the owner's `system_config` document."""
        self.state.config["token_system"] = self.state.config["token_system"] | as_stored(fields)

    def drop_rules(self) -> None:
        del self.state.config["token_system"]

    def archive_week(self, week: Week) -> None:
        """Move a distribution to the archive, as retention does."""
        stored = self.state.weeks.pop(week)
        archived = replace(stored.distribution, archived=True)
        self.state.archive[week] = StoredWeek(archived, stored.facts)

    # --- switches and heartbeats ----------------------------------------------------------------

    def paused(self) -> str | None:
        return self.state.paused.get("control")

    def pause(self, reason: str | None) -> None:
        if reason is None:
            self.state.paused.pop("control", None)
        else:
            self.state.paused["control"] = reason

    def beat(self, name: str, now: datetime) -> None:
        self.state.beats[name] = to_milliseconds(now)

    def last_beat(self, name: str) -> datetime | None:
        return self.state.beats.get(name)

    # --- reads of watchers ----------------------------------------------------------------------

    def add_counts(self, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            if count:
                self.state.counts[name] = self.state.counts.get(name, 0) + count

    def counts(self) -> dict[str, int]:
        return dict(self.state.counts)

    def mark(self, name: str, now: datetime) -> bool:
        if name in self.state.marks:
            return False
        self.state.marks[name] = to_milliseconds(now)
        return True

    def marked_at(self, name: str) -> datetime | None:
        return self.state.marks.get(name)

    def unmark(self, name: str) -> None:
        self.state.marks.pop(name, None)

    def record_figures(self, name: str, figures: Mapping[str, Any]) -> None:
        self.state.figures[name] = as_stored(dict(figures))

    def figures(self, name: str) -> Mapping[str, Any]:
        return self.state.figures.get(name, {})
