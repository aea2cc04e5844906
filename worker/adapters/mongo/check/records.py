"""Stored rows, payouts and weeks, for checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from worker.adapters.mongo import names
from worker.adapters.mongo.base import STREAM_BATCH, MongoPart, canonical_id, integer_sum, within
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.contribution_counts import SUM_OF_POINTS
from worker.adapters.mongo.payout.contributions import is_user
from worker.adapters.mongo.payout.documents import row_of
from worker.adapters.mongo.payout.historic import HISTORIC, odd_start, tokens_of, why_unreadable
from worker.core.lifecycle import Status
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Row
from worker.core.week import Week
from worker.ports.check import Contributor, StoredReward

_PLANNED = {"plan_id": {"$nin": [None, ""]}}


class MongoCheckRecords(MongoPart):
    """Implements the part of `worker.ports.check.CheckStore` about plans and contributors."""

    def planned_weeks(self) -> list[Week]:
        documents = self._all_weeks(_PLANNED, {"week_start": 1})
        return sorted({Week.containing(document["week_start"]) for document in documents})

    def week_fields(self, week: Week) -> Mapping[str, object]:
        document = next(self._all_weeks({"week_start": week.start}, {"header": 0}), None)
        return {} if document is None else document | {"_id": str(document["_id"])}

    def plan_rewards(self, plan_id: str, positions: range) -> Iterator[StoredReward]:
        selected = {"plan_id": plan_id, "position": within(positions)}
        found = self.token_rewards.find(selected, batch_size=STREAM_BATCH).sort("position", 1)
        yield from map(stored_reward_of, found)

    def plan_payouts(
        self, plan_id: str, kind: PayoutKind, indexes: range
    ) -> Iterator[Mapping[str, object]]:
        selected = {"plan_id": plan_id, "kind": kind.value, "index": within(indexes)}
        # No check needs the signed transaction, which is about a kilobyte.
        found = self.payout_batches.find(selected, {"attempt": 0}, batch_size=STREAM_BATCH)
        yield from found.sort("index", 1)

    def unreadable_history(self) -> Iterator[tuple[str, str]]:
        for document in self.weeks.find({"stage": None}):
            yield from unreadable_week(document)
        for document in self.token_rewards.find(HISTORIC, batch_size=STREAM_BATCH):
            if (why := why_unreadable(document)) is not None:
                yield f"reward {document['_id']}", why

    def contributors(self) -> Iterator[Contributor]:
        stages: list[Document] = [
            {"$group": {"_id": "$user_id", "count": {"$sum": 1}, "points": SUM_OF_POINTS}},
            {"$match": is_user("$_id")},
        ]
        for group in self.contributions.aggregate(stages, batchSize=STREAM_BATCH):
            user_id = canonical_id(group["_id"])
            points = integer_sum("points", group["points"])
            yield Contributor(user_id, group["count"], points)

    def article_weeks(self) -> list[datetime]:
        return sorted(self.database[names.ARTICLE_REWARDS].distinct("week_start"))

    def article_shares(self, week_start: datetime) -> Iterator[Mapping[str, object]]:
        yield from self.database[names.ARTICLE_REWARDS].find({"week_start": week_start}, {"_id": 0})


def unreadable_week(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What cannot be read of a distribution of another system."""
    subject = f"weekly distribution {document['_id']}"
    if (start := odd_start(document)) is not None:
        yield subject, f"week_start is {start}, which is no Monday 00:00 UTC"
    if document.get("status") not in list(Status):
        yield subject, f"status is {document.get('status')!r}"
    for name in ("total_tokens", "total_points", "user_count"):
        if document.get(name) is not None and tokens_of(document[name]) is None:
            yield subject, f"{name} is {document[name]!r}"


def stored_reward_of(document: Mapping[str, Any]) -> StoredReward:
    row: Row | None = None
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        row = row_of(dict(document))
    return StoredReward(document["position"], row, document)
