"""The in-memory twin of `MongoCheckRecords`: the database's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from tests.fakes.store.state import Document, StoredPayout, StoredReward
from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import _user
from tests.fakes.wiki.counters import _whole
from worker.adapters.mongo.check.records import stored_reward_of, unreadable_week
from worker.adapters.mongo.payout.documents import payout_document, reward_document
from worker.adapters.mongo.payout.historic import why_unreadable
from worker.adapters.mongo.wiki.reward_counters import share_document
from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind
from worker.core.week import Week
from worker.ports.check import Contributor
from worker.ports.check import StoredReward as Found


class FakeCheckRecords:
    """A part of `worker.ports.check.CheckStore` in memory.

    The records behind it hold no derived fields, so this class keeps forged values of those.
    """

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.changed_rewards: dict[tuple[str, int], Document] = {}
        """By plan id and position."""
        self.changed_shares: dict[tuple[Week, str], Document] = {}

    def planned_weeks(self) -> list[Week]:
        known = {**self._store.state.archive, **self._store.state.weeks}
        return sorted(week for week, stored in known.items() if stored.distribution.plan_id)

    def week_fields(self, week: Week) -> Mapping[str, object]:
        notes = dict(self._store.notes(week))
        notes.pop("archived", None)
        return notes | {"_id": _distribution_id(week)} if notes else {}

    def plan_rewards(self, plan_id: str, positions: range) -> Iterator[Found]:
        for position, stored in sorted(self._store.state.rewards_of(plan_id).items()):
            if position in positions:
                changed = self.changed_rewards.get((plan_id, position), {})
                yield stored_reward_of(_reward_fields(stored) | changed)

    def plan_payouts(
        self, plan_id: str, kind: PayoutKind, indexes: range
    ) -> Iterator[Mapping[str, object]]:
        stored = self._store.state.payouts_of(plan_id).values()
        wanted = [s for s in stored if s.payout.kind is kind and s.payout.index in indexes]
        for each in sorted(wanted, key=lambda s: s.payout.index):
            yield _payout_fields(each)

    def unreadable_history(self) -> Iterator[tuple[str, str]]:
        state = self._store.state
        historic = [s.facts for s in state.weeks.values() if s.distribution.historic is not None]
        for document in [*historic, *state.odd_weeks]:
            yield from unreadable_week(document)
        for document in state.historic_rewards:
            if (why := why_unreadable(document)) is not None:
                yield f"reward {document['_id']}", why

    def contributors(self) -> Iterator[Contributor]:
        found: dict[object, tuple[str, int, int]] = {}
        for document in self._store.state.contributions.values():
            if user_id := _user(document):
                form, points = document["user_id"], _whole(document.get("total_points"))
                _, count, total = found.get(form, (user_id, 0, 0))
                found[form] = (user_id, count + 1, total + points)
        return (Contributor(*each) for each in found.values())

    def article_weeks(self) -> list[datetime]:
        return sorted({week.start for week, _ in self._store.state.article_rewards})

    def article_shares(self, week_start: datetime) -> Iterator[Mapping[str, object]]:
        for (week, article_id), amount in self._store.state.article_rewards.items():
            if week.start == week_start:
                changed = self.changed_shares.get((week, article_id), {})
                yield share_document(week, article_id, BaseUnits(amount)) | changed


def _distribution_id(week: Week) -> str:
    return f"distribution of {week.id}"


def _reward_fields(stored: StoredReward) -> Document:
    document = reward_document(
        stored.reward, stored.week, _distribution_id(stored.week), stored.created_at
    )
    return document | {
        "route": stored.route.value,
        "slot": stored.slot,
        "claimed_at": stored.claimed_at,
        "next_attempt_at": stored.next_attempt_at,
    }


def _payout_fields(stored: StoredPayout) -> Document:
    document = payout_document(stored.payout, stored.root)
    del document["attempt"]
    return document | {"fee": stored.fee, "verified": stored.verified}
