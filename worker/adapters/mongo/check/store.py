"""Stored contributions and counters, for checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, STREAM_BATCH, canonical_id, forms_of
from worker.adapters.mongo.check.governance import MongoGovernanceRecords, plain_numbers
from worker.adapters.mongo.check.records import MongoCheckRecords
from worker.adapters.mongo.counting.opening import FIELDS
from worker.adapters.mongo.payout.contributions import BY_DATE, BY_ID, first_id_of
from worker.adapters.mongo.payout.same_users import same_users
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.check.points import Factors
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.plan.counted_contributions import recording_time
from worker.core.plan.rules import LATE_WEEKS
from worker.ports.check import StoredContribution

FACTORS = ("base_points", "quality_multiplier", "reputation_multiplier", "demand_multiplier")
_CONTRIBUTION = dict.fromkeys(("user_id", "type", "created_at", *FACTORS, "total_points"), 1)
_FEW_DAYS = 8
_IS_DATED = {
    "$and": [
        {"$eq": [{"$type": "$_id"}, "objectId"]},
        {"$eq": [{"$type": "$created_at"}, "date"]},
    ]
}
_LATE_MS = LATE_WEEKS * 7 * 86_400_000
_MAY_BE_RANDOM = {
    "$expr": {
        "$cond": [
            _IS_DATED,
            {"$gte": [{"$subtract": [{"$toDate": "$_id"}, "$created_at"]}, _LATE_MS]},
            False,
        ]
    }
}
"""An ObjectId so much later than `created_at` that it may say nothing about the recording."""


class MongoCheckStore(MongoCheckRecords, MongoGovernanceRecords):
    """Implements `worker.ports.check.CheckStore`."""

    def all_contributions(self) -> Iterator[StoredContribution]:
        found = self.contributions.find({}, _CONTRIBUTION, batch_size=STREAM_BATCH)
        yield from map(contribution_of, found)

    def recorded_since(
        self, moment: datetime, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        none_later = first_id_of(made_before + timedelta(weeks=LATE_WEEKS + 1))
        selected = {
            "_id": {"$gte": first_id_of(moment), "$lt": none_later},
            "created_at": {"$gte": made_from, "$lt": made_before},
        }
        # A week contains fewer documents than were recorded since `moment`. A longer span contains
        # more.
        is_week = (made_before - made_from).days < _FEW_DAYS
        found = self.contributions.find(selected, _CONTRIBUTION, batch_size=STREAM_BATCH)
        for contribution in map(contribution_of, found.hint(BY_DATE if is_week else BY_ID)):
            if contribution.recorded_at is not None:
                yield contribution

    def without_recording(
        self, *, made_from: datetime, made_before: datetime
    ) -> Iterator[StoredContribution]:
        selected = {
            "created_at": {"$gte": made_from, "$lt": made_before},
            "$or": [{"_id": {"$not": {"$type": "objectId"}}}, _MAY_BE_RANDOM],
        }
        found = self.contributions.find(selected, _CONTRIBUTION, batch_size=STREAM_BATCH)
        for contribution in map(contribution_of, found.hint(BY_DATE)):
            # The query also matches arrays of dates.
            if contribution.created_at is not None and contribution.recorded_at is None:
                yield contribution

    def user_counters(self, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        return self._counters(names.USERS, user_ids)

    def article_counters(self, article_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        return self._counters(names.ARTICLES, article_ids)

    def _counters(self, collection: str, ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        stored: dict[str, Mapping[str, object]] = {}
        fields = dict.fromkeys(FIELDS[collection], 1)
        for chunk in chunks(ids, CHUNK_IDS):
            selected = {"_id": {"$in": forms_of(chunk)}}
            for document in self.database[collection].find(selected, fields):
                document_id = canonical_user_id(str(document.pop("_id")))
                stored[document_id] = plain_numbers(document)
        return stored

    def same_users(self) -> Iterator[tuple[str, list[str]]]:
        for user_id, ids in same_users(self.database):
            yield user_id, sorted(map(repr, ids))

    def unreadable_stakes(self) -> Iterator[str]:
        for document in self.stakes.find({}, batch_size=STREAM_BATCH):
            if stake_of(document) is None:
                yield str(document["_id"])


def contribution_of(document: Mapping[str, Any]) -> StoredContribution:
    document_id, created_at = document["_id"], document.get("created_at")
    recorded_at = document_id.generation_time if isinstance(document_id, ObjectId) else None
    made_at = created_at if isinstance(created_at, datetime) else None
    return StoredContribution(
        id=str(document_id),
        user_id=canonical_id(document.get("user_id")),
        type=document.get("type"),
        created_at=made_at,
        recorded_at=recording_time(made_at, recorded_at) if made_at else recorded_at,
        factors=Factors(*map(document.get, FACTORS)),
        total_points=document.get("total_points"),
    )
