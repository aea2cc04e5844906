"""Writes imported contributions, users and trial wallets in bulk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId, json_util
from bson.errors import BSONError
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, by_id, stored_id
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.core.errors import Refused
from worker.core.wiki.contribution_file import Contribution, Stored
from worker.core.wiki.stored_counters import REPUTATION, REPUTATION_WRITTEN

_EXTENDED_JSON = json_util.JSONOptions(tz_aware=True)
(USER_DEFAULTS,) = [spec.added_fields for spec in COLLECTIONS if spec.name == names.USERS]


class DocumentRefused(Refused):
    """A validator or a unique index of the wiki's does not take a document of ours."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"The database refuses {what} ({why}). A validator or a unique index of the wiki's "
            "stands against it. It was not stored; what was stored before stays."
        )


class MongoIngestStore(MongoPart):
    """Implements `worker.services.wiki.ingest.IngestStore`."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> Stored:
        # A query before the insert is several times faster than upserts. Unique ids make it safe.
        documents: dict[ObjectId | str, Contribution] = {}
        for contribution in contributions:
            documents.setdefault(stored_id(contribution.id), contribution)
        for known in _existing(self.contributions, list(documents)):
            del documents[known]
        new = [contribution_document(c) for c in documents.values()]
        refused = _insert_new(self.contributions, new)
        # Another import may have inserted the same ids first.
        inserted = set(_existing(self.contributions, list(refused)))
        return Stored(
            added={c.id for key, c in documents.items() if key not in refused},
            refused={documents[key].id: why for key, why in refused.items() if key not in inserted},
        )

    def add_users(self, user_ids: Sequence[str]) -> int:
        documents = [user_document(user_id, datetime.now(UTC)) for user_id in user_ids]
        refused = _insert_new(self.users, documents)
        known = set(_existing(self.users, list(refused)))
        for key, why in refused.items():
            if key not in known:
                raise DocumentRefused(f"a placeholder for the user {key}", why)
        return len(documents) - len(refused)

    def give_wallets(self, wallets: Mapping[str, str]) -> int:
        if not wallets:
            return 0
        missing = {"wallet_address": {"$in": [None, ""]}}
        updates = [
            UpdateOne(by_id(user_id) | missing, {"$set": {"wallet_address": wallet}})
            for user_id, wallet in wallets.items()
        ]
        return self.users.bulk_write(updates, ordered=False).modified_count


def contribution_document(contribution: Contribution) -> Document:
    """A contribution in the owner's schema."""
    c = contribution
    return {
        "_id": stored_id(c.id),
        "user_id": c.user_id,
        "article_id": c.article_id or None,
        "type": c.type,
        "base_points": c.base_points,
        **{f"{name}_multiplier": value for name, value in c.multipliers.items()},
        "total_points": c.total_points,
        "description": c.description,
        "metadata": stored_metadata(c.metadata),
        "created_at": c.created_at,
        "updated_at": c.updated_at,
    }


def stored_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with the types that extended JSON names: ObjectIds, dates, decimals.

    What only looks like extended JSON is stored as it is written.
    """
    text = json.dumps(metadata)
    if '"$' not in text:
        return dict(metadata)
    try:
        return dict(json_util.loads(text, json_options=_EXTENDED_JSON))
    except (BSONError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
        return dict(metadata)


def user_document(user_id: str, now: datetime) -> Document:
    """A placeholder user for a trial, with the defaults of this system."""
    fields = {"_id": stored_id(user_id), "username": f"user-{user_id[:12]}", "created_at": now}
    return {**fields, **USER_DEFAULTS, REPUTATION_WRITTEN: USER_DEFAULTS[REPUTATION]}


def _existing(collection: Collection[Document], ids: Sequence[ObjectId | str]) -> list[Any]:
    return [d["_id"] for d in collection.find({"_id": {"$in": list(ids)}}, {"_id": 1})]


def _insert_new(collection: Collection[Document], documents: Sequence[Document]) -> dict[Any, str]:
    """Insert each by itself; returns the ids of those that are refused, with the reason."""
    if not documents:
        return {}
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if error.details.get("writeConcernErrors"):
            raise
        refused = error.details["writeErrors"]
        return {documents[e["index"]]["_id"]: str(e.get("errmsg", e["code"])) for e in refused}
    return {}
