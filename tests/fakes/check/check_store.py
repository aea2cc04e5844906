"""The in-memory twins of `MongoCheckStore`, `MongoRetention` and `MongoViews`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.fakes.check.governance import FakeGovernanceRecords
from tests.fakes.check.records import FakeCheckRecords
from tests.fakes.store.state import Document
from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import _user, same_users, stored_forms
from worker.adapters.mongo import names
from worker.adapters.mongo.check.governance import plain_numbers
from worker.adapters.mongo.check.store import contribution_of
from worker.adapters.mongo.counting.opening import FIELDS
from worker.adapters.mongo.wiki.dashboard import (
    place_of,
    shown_contribution_of,
    shown_historic_reward_of,
    shown_user_of,
)
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.ports.check import (
    Cursor,
    ShownContribution,
    ShownReward,
    ShownUser,
    StoredContribution,
)


class FakeCheckStore(FakeGovernanceRecords, FakeCheckRecords):
    """Implements `worker.ports.check.CheckStore` in memory."""

    def all_contributions(self) -> Iterator[StoredContribution]:
        return map(contribution_of, list(self._store.state.contributions.values()))

    def recorded_since(
        self, moment: datetime, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        for contribution in self._made(made_from, made_before):
            if contribution.recorded_at is not None and contribution.recorded_at >= moment:
                yield contribution

    def without_recording(
        self, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        return (c for c in self._made(made_from, made_before) if c.recorded_at is None)

    def _made(self, start: datetime, end: datetime) -> Iterator[StoredContribution]:
        for each in self.all_contributions():
            if each.created_at is not None and start <= each.created_at < end:
                yield each

    def user_counters(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        return _counters(self._store.state.users, user_ids, FIELDS[names.USERS])

    def article_counters(self, article_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        return _counters(self._store.state.articles, article_ids, FIELDS[names.ARTICLES])

    def same_users(self) -> Iterator[tuple[str, list[str]]]:
        for user_id, ids in same_users(self._store.state.users).items():
            if len(ids) > 1:
                yield user_id, sorted(map(repr, ids))

    def unreadable_stakes(self) -> Iterator[str]:
        for key, document in self._store.state.stakes.items():
            if stake_of({"_id": key} | document) is None:
                yield str(document.get("_id", key))


class FakeRetention:
    """Implements `worker.ports.check.RetentionStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def completed_before(self, moment: datetime) -> list[Week]:
        weeks = self._store.state.weeks.items()
        return sorted(
            week
            for week, stored in weeks
            if stored.distribution.stage is Stage.COMPLETED and week.end <= moment
        )

    def archive_week(self, week: Week) -> None:
        stored = self._store.state.weeks.get(week)
        if stored is not None and stored.distribution.stage is Stage.COMPLETED:
            self._store.archive_week(week)


class FakeViews:
    """Implements `worker.ports.check.ViewStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def shown_user(self, user_id: str) -> ShownUser | None:
        users = self._store.state.users
        documents = [users[form] for form in stored_forms(user_id) if form in users]
        return shown_user_of(user_id, documents[0], len(documents)) if documents else None

    def contributions_page(
        self, user_id: str, after: Cursor | None, limit: int
    ) -> list[ShownContribution]:
        mine = [d for d in self._of(user_id) if isinstance(d.get("created_at"), datetime)]
        shown = sorted(map(shown_contribution_of, mine), key=place_of, reverse=True)
        wanted = [c for c in shown if after is None or place_of(c) < (after.created_at, after.id)]
        return wanted[:limit]

    def points_between(self, user_id: str, start: datetime, end: datetime) -> int:
        mine = [d for d in self._of(user_id) if isinstance(d.get("created_at"), datetime)]
        return sum(d["total_points"] for d in mine if start <= d["created_at"] < end)

    def rewards_page(self, user_id: str, before: Week | None, limit: int) -> list[ShownReward]:
        state, canonical = self._store.state, canonical_user_id(user_id)
        weeks = sorted({**state.archive, **state.weeks}.items(), reverse=True)
        found = [
            _shown_reward(week, stored.reward)
            for week, known in weeks
            for stored in state.rewards_of(known.distribution.plan_id or "").values()
            if stored.reward.user_id == canonical and (before is None or week < before)
        ]
        for document in state.historic_rewards:
            shown = shown_historic_reward_of(document)
            if shown is not None and canonical == canonical_user_id(str(document["user_id"])):
                found += [shown] if before is None or shown.week < before else []
        return sorted(found, key=lambda each: each.week, reverse=True)[:limit]

    def _of(self, user_id: str) -> list[Document]:
        documents = self._store.state.contributions.values()
        return [d for d in documents if _user(d) == canonical_user_id(user_id)]


def _shown_reward(week: Week, reward: Any) -> ShownReward:
    return ShownReward(
        week,
        reward.row.points,
        reward.row.amount,
        reward.status.value,
        reward.reason,
        reward.signature,
    )


def _counters(
    table: Mapping[object, Document], ids: Sequence[str], fields: Sequence[str]
) -> dict[str, Mapping[str, object]]:
    return {
        each: plain_numbers({name: table[form][name] for name in fields if name in table[form]})
        for each in ids
        for form in stored_forms(each)
        if form in table
    }
