"""The base class of the stores, and helpers for queries and writes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo, reaching
from worker.core.chunks import chunks
from worker.core.errors import KontribError
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.backoff import AHEAD_MAX, NEVER

DUPLICATE_KEY = 11000
UNRESOLVED = [status.value for status in PayoutStatus if not status.is_resolved]
RESOLVED = [status.value for status in PayoutStatus if status.is_resolved]
CHUNK_DOCUMENTS = 2000
CHUNK_IDS = 1000
STREAM_BATCH = 10_000
"""Documents per round trip when a whole plan or wiki is read."""


class SumNotInteger(KontribError):
    """The database computed a sum that is not a 64-bit integer. Nothing may be based on it."""

    def __init__(self, what: str, found: object) -> None:
        super().__init__(
            f"The sum of {what} is {found!r}, but must be a 64-bit integer. A document holds "
            "another kind of value. `kontrib check` names the document."
        )


class MongoPart:
    """The database, and its collections by the names of the schema.

    Every public method of a subclass raises `MongoUnreachable` if the driver gets no answer.
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
        self.transactions = database[names.OTHER_TRANSACTIONS]

    def installed_plans(self, **selected: Any) -> list[str]:
        """Plans that the selected distributions name. Rewards of other plans are not owed."""
        documents = self._all_weeks(selected, {"plan_id": 1})
        return [document["plan_id"] for document in documents if document.get("plan_id")]

    def _all_weeks(self, selected: Document, fields: Document) -> Iterator[Document]:
        """Current distributions, then archived ones."""
        for collection in (self.weeks, self.archive):
            yield from collection.find(selected, fields)


def stored_forms(user_id: str) -> list[object]:
    """The forms in which a user's id may be stored, the usual one first."""
    usual = stored_id(user_id)
    return [user_id] if usual is user_id else [usual, user_id, user_id.upper()]


def forms_of(ids: Iterable[str]) -> list[object]:
    """Every form in which any of these ids may be stored."""
    return [form for each in ids for form in stored_forms(each)]


def canonical_id(value: object) -> str:
    """The canonical form of a stored id; empty if the value is not an id."""
    if isinstance(value, ObjectId):
        return str(value)
    return canonical_user_id(str(value)) if isinstance(value, str) else ""


def stored_id(text: str) -> ObjectId | str:
    """An ObjectId for 24 hex characters; any other text stays text."""
    return ObjectId(text) if len(text) == 24 and ObjectId.is_valid(text) else text


def by_id(text: str) -> Document:
    """Selects a document by its id, which may be stored as an ObjectId or as text."""
    return {"_id": {"$in": [stored_id(text), text]}}


def update_in_chunks(collection: Collection[Document], selected: Document, update: Any) -> int:
    """Update documents in chunks of `CHUNK_DOCUMENTS`, and return how many changed."""
    ids = (d["_id"] for d in collection.find(selected, {"_id": 1}, batch_size=STREAM_BATCH))
    return sum(
        collection.update_many({"_id": {"$in": chunk}}, update).modified_count
        for chunk in chunks(ids, CHUNK_DOCUMENTS)
    )


def within(numbers: range) -> Document:
    """A condition: the field's value is in the range."""
    return {"$gte": numbers.start, "$lt": numbers.stop}


def due_by(now: datetime) -> Document:
    """Selects documents whose next attempt is due, or that have no next attempt planned.

    A time that is too far ahead counts as due (`backoff.AHEAD_MAX`).
    """
    too_far = {"$gt": now + AHEAD_MAX, "$lt": NEVER}
    times: list[Document] = [{"next_attempt_at": each} for each in (None, {"$lte": now}, too_far)]
    return {"$or": times}


def integer_sum(what: str, found: object) -> int:
    """Return a sum that the database computed, if it is exact.

    `$sum` silently ignores text, and turns a sum beyond 64 bits into a double.

    Raises:
        SumNotInteger: the sum is not an integer.
    """
    if isinstance(found, bool) or not isinstance(found, int | Int64):
        raise SumNotInteger(what, found)
    return int(found)


def insert_missing(
    collection: Collection[Document], documents: Sequence[Document]
) -> list[Document]:
    """Insert documents, and return those that a unique index refused as duplicates.

    Raises:
        BulkWriteError: a write failed for another reason.
    """
    if not documents:
        return []
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details: Any = error.details or {}
        failed = details.get("writeErrors", [])
        if details.get("writeConcernErrors") or any(e["code"] != DUPLICATE_KEY for e in failed):
            raise
        return [documents[each["index"]] for each in failed]
    return []
