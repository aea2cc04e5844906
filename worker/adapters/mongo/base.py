"""What the parts of the store share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from bson import Int64, ObjectId
from pymongo.errors import BulkWriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.core.errors import KontribError
from worker.core.lifecycle import PayoutStatus

DUPLICATE_KEY = 11000
UNRESOLVED = [status.value for status in PayoutStatus if not status.is_resolved]
STREAM_BATCH = 10_000
"""Documents per round trip when a whole plan or wiki is read."""

Item = TypeVar("Item")


class SumIsNoInteger(KontribError):
    """The database's sum of amounts is no 64-bit integer. A bug: nothing may be based on it."""

    def __init__(self, what: str, found: object) -> None:
        super().__init__(
            f"The sum of {what} is {found!r}, which is no 64-bit integer. A document holds "
            "something else than an integer; `kontrib check` names it."
        )


class MongoPart:
    """The database, and its collections by the names of the schema."""

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
    is_hex = len(user_id) == 24 and ObjectId.is_valid(user_id)
    return [ObjectId(user_id), user_id, user_id.upper()] if is_hex else [user_id]


def chunks(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def due_by(now: datetime) -> Document:
    """What is to be tried now: its next attempt lies in the past, or it never had one."""
    return {"$or": [{"next_attempt_at": None}, {"next_attempt_at": {"$lte": now}}]}


def integer_sum(what: str, found: object) -> int:
    """A sum that the database made, as long as it is exact.

    `$sum` ignores text silently, and turns what is beyond 64 bits into a double.

    Raises:
        SumIsNoInteger: it is no integer.
    """
    if isinstance(found, bool) or not isinstance(found, int | Int64):
        raise SumIsNoInteger(what, found)
    return int(found)


def raise_unless_duplicates(error: BulkWriteError) -> None:
    """Let duplicates pass: what is there already is what was to be written.

    Raises:
        BulkWriteError: anything else went wrong, too.
    """
    details: Any = error.details or {}
    failed = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(e["code"] != DUPLICATE_KEY for e in failed):
        raise error
