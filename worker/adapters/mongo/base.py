"""The base of every part of the store, and helpers for queries and writes."""

from __future__ import annotations

import inspect
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo, reaching
from worker.core.chunks import chunks
from worker.core.errors import KontribError
from worker.core.lifecycle import PayoutStatus

DUPLICATE_KEY = 11000
UNRESOLVED = [status.value for status in PayoutStatus if not status.is_resolved]
CHUNK_DOCUMENTS = 2000
STREAM_BATCH = 10_000
"""Documents per round trip when a whole plan or wiki is read."""


class SumIsNoInteger(KontribError):
    """The database's sum of amounts is no 64-bit integer. A bug: nothing may be based on it."""

    def __init__(self, what: str, found: object) -> None:
        super().__init__(
            f"The sum of {what} is {found!r}, which is no 64-bit integer. A document holds "
            "something else than an integer; `kontrib check` names it."
        )


class MongoPart:
    """The database, and its collections by the names of the schema.

    Every public method of a subclass raises `MongoUnreachable` where the driver gets no answer.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(cls, name, reaching(method))

    def __init__(self, database: Mongo) -> None:
        self.database = database
        self.users = database[names.USERS]
        self.contributions = database[names.CONTRIBUTIONS]
        self.stakes = database[names.STAKING_RECORDS]
        self.config = database[names.SYSTEM_CONFIG]
        self.weeks = database[names.WEEKLY_DISTRIBUTIONS]
        self.archive = database[names.WEEKLY_DISTRIBUTIONS_ARCHIVE]
        self.token_rewards = database[names.TOKEN_REWARDS]
        self.payout_batches = database[names.PAYOUT_BATCHES]

    def installed_plans(self) -> list[str]:
        """The plans that distributions name; rewards of any other plan are not owed to anyone."""
        documents = (d for c in (self.weeks, self.archive) for d in c.find({}, {"plan_id": 1}))
        return [document["plan_id"] for document in documents if document.get("plan_id")]


def stored_forms(user_id: str) -> list[object]:
    """The forms in which a user's id may be stored, the usual one first."""
    usual = stored_id(user_id)
    return [user_id] if usual is user_id else [usual, user_id, user_id.upper()]


def stored_id(text: str) -> ObjectId | str:
    """24 hex characters are an ObjectId, and everything else is itself."""
    return ObjectId(text) if len(text) == 24 and ObjectId.is_valid(text) else text


def by_id(text: str) -> Document:
    """Selects a document by its id, which may be stored as an ObjectId or as text."""
    return {"_id": {"$in": [stored_id(text), text]}}


def update_in_chunks(collection: Collection[Document], selected: Document, update: Any) -> int:
    """Update documents, a bounded number at a time, and return how many changed."""
    ids = (d["_id"] for d in collection.find(selected, {"_id": 1}, batch_size=STREAM_BATCH))
    return sum(
        collection.update_many({"_id": {"$in": chunk}}, update).modified_count
        for chunk in chunks(ids, CHUNK_DOCUMENTS)
    )


def due_by(now: datetime) -> Document:
    """Selects documents whose next attempt is due, or that were never tried."""
    return {"$or": [{"next_attempt_at": None}, {"next_attempt_at": {"$lte": now}}]}


def integer_sum(what: str, found: object) -> int:
    """A sum that the database computed, if the sum is exact.

    `$sum` ignores text silently, and turns what is beyond 64 bits into a double.

    Raises:
        SumIsNoInteger: it is no integer.
    """
    if isinstance(found, bool) or not isinstance(found, int | Int64):
        raise SumIsNoInteger(what, found)
    return int(found)


def raise_unless_duplicates(error: BulkWriteError) -> list[Any]:
    """The writes that were refused as duplicates: the documents are there already.

    Raises:
        BulkWriteError: another write failed for another reason.
    """
    details: Any = error.details or {}
    failed = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(e["code"] != DUPLICATE_KEY for e in failed):
        raise error
    return list(failed)
