"""Imported contributions, users and trial wallets, written in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, by_id, raise_unless_duplicates, stored_id
from worker.adapters.mongo.connection import Document, under_the_wikis_validator
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.core.wiki.contribution_file import Contribution

(USER_DEFAULTS,) = [spec.added_fields for spec in COLLECTIONS if spec.name == names.USERS]


class MongoIngestStore(MongoPart):
    """Implements `worker.services.wiki.ingest.IngestStore`."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> set[str]:
        # Looking first is several times faster than upserts, and as safe: the ids are unique.
        documents = {stored_id(c.id): c for c in reversed(contributions)}
        for known in _existing(self.contributions, list(documents)):
            del documents[known]
        new = [contribution_document(c) for c in documents.values()]
        refused = _insert_new(self.contributions, new)
        return {c.id for key, c in documents.items() if key not in refused}

    def add_users(self, user_ids: Sequence[str]) -> int:
        documents = [user_document(user_id, datetime.now(UTC)) for user_id in user_ids]
        return len(documents) - len(_insert_new(self.users, documents))

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
    """A contribution as the owner's schema has it."""
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
        "metadata": dict(c.metadata),
        "created_at": c.created_at,
        "updated_at": c.updated_at,
    }


def user_document(user_id: str, now: datetime) -> Document:
    """A placeholder for a user of a trial, with this system's defaults."""
    fields = {"_id": stored_id(user_id), "username": f"user-{user_id[:12]}", "created_at": now}
    return fields | USER_DEFAULTS


def _existing(collection: Collection[Document], ids: Sequence[ObjectId | str]) -> list[Any]:
    return [d["_id"] for d in collection.find({"_id": {"$in": list(ids)}}, {"_id": 1})]


def _insert_new(collection: Collection[Document], documents: Sequence[Document]) -> set[object]:
    """Insert, and return the ids that another import inserted first."""
    if not documents:
        return set()
    try:
        with under_the_wikis_validator(collection.name):
            collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return {documents[e["index"]]["_id"] for e in raise_unless_duplicates(error)}
    return set()
