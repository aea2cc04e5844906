"""Writes imported contributions, users and trial wallets in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pymongo import UpdateOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, by_id, insert_missing, stored_id
from worker.adapters.mongo.connection import Document, under_the_wikis_validator
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.core.wiki.contribution_file import Contribution

(USER_DEFAULTS,) = [spec.added_fields for spec in COLLECTIONS if spec.name == names.USERS]


class MongoIngestStore(MongoPart):
    """Implements `worker.services.wiki.ingest.IngestStore`."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> set[str]:
        # A query before the insert is several times faster than upserts. Unique ids make it safe.
        documents = {stored_id(c.id): c for c in reversed(contributions)}
        for known in self.contributions.find({"_id": {"$in": list(documents)}}, {"_id": 1}):
            del documents[known["_id"]]
        new = [contribution_document(c) for c in documents.values()]
        with under_the_wikis_validator(names.CONTRIBUTIONS):
            refused = {document["_id"] for document in insert_missing(self.contributions, new)}
        return {c.id for key, c in documents.items() if key not in refused}

    def add_users(self, user_ids: Sequence[str]) -> int:
        documents = [user_document(user_id, datetime.now(UTC)) for user_id in user_ids]
        with under_the_wikis_validator(names.USERS):
            return len(documents) - len(insert_missing(self.users, documents))

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
        "metadata": dict(c.metadata),
        "created_at": c.created_at,
        "updated_at": c.updated_at,
    }


def user_document(user_id: str, now: datetime) -> Document:
    """A placeholder user for a trial, with the defaults of this system."""
    fields = {"_id": stored_id(user_id), "username": f"user-{user_id[:12]}", "created_at": now}
    return fields | USER_DEFAULTS
