"""User documents whose ids are one in canonical form: nobody can tell which of them is meant."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from bson import ObjectId

from worker.adapters.mongo import names
from worker.adapters.mongo.base import STREAM_BATCH
from worker.adapters.mongo.connection import Document, Mongo

KEPT_SECONDS = 60
_CHUNK = 1000
_LISTED_MAX = 20
_HEX = "^[0-9a-fA-F]{24}$"
MIXED_CASE = "^(?=.*[a-f])(?=.*[A-F])[0-9a-fA-F]{24}$"


def same_users(database: Mongo) -> Iterator[tuple[str, list[object]]]:
    """Each canonical id that several documents have, and the ids as they are stored.

    Only text of 24 hexadecimal characters can be the same as another id.
    """
    users = database[names.USERS]
    stages: list[Document] = [
        {"$match": {"_id": {"$type": "string", "$regex": _HEX}}},
        {"$group": {"_id": {"$toLower": "$_id"}, "ids": {"$push": "$_id"}}},
    ]
    found = users.aggregate(stages, allowDiskUse=True, batchSize=STREAM_BATCH)
    chunk: dict[str, list[Any]] = {}
    for document in found:
        chunk[document["_id"]] = document["ids"]
        if len(chunk) == _CHUNK:
            yield from _with_object_ids(database, chunk)
            chunk = {}
    yield from _with_object_ids(database, chunk)


class MixedCaseIds:
    """The canonical form of every id that is stored as hexadecimal text in both cases.

    Nobody looks for these forms: there is one for each choice of capitals. Each look reads all ids,
    and a plan asks chunk by chunk: so the answer is kept for a minute.
    """

    def __init__(self, database: Mongo) -> None:
        self._users = database[names.USERS]
        self._read_at, self._ids = -math.inf, frozenset[str]()

    def read(self) -> frozenset[str]:
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            selected = {"_id": {"$type": "string", "$regex": MIXED_CASE}}
            found = self._users.find(selected, {"_id": 1}, batch_size=STREAM_BATCH)
            self._ids = frozenset(document["_id"].lower() for document in found)
            self._read_at = time.monotonic()
        return self._ids


def describe_same_users(database: Mongo) -> list[str]:
    """A line for each canonical id that several documents have; the first ones only."""
    lines: list[str] = []
    for count, (user_id, ids) in enumerate(same_users(database)):
        if count == _LISTED_MAX:
            return [*lines, "users: and more; `kontrib check` lists them all"]
        listed = ", ".join(map(repr, sorted(ids, key=repr)))
        lines.append(
            f"users: {len(ids):,} documents are user {user_id} ({listed}): this user's rewards are "
            "held until one is left"
        )
    return lines


def _with_object_ids(
    database: Mongo, chunk: dict[str, list[Any]]
) -> Iterator[tuple[str, list[object]]]:
    if not chunk:
        return
    wanted = {"_id": {"$in": [ObjectId(each) for each in chunk]}}
    for document in database[names.USERS].find(wanted, {"_id": 1}):
        chunk[str(document["_id"])].append(document["_id"])
    for user_id, ids in chunk.items():
        if len(ids) > 1:
            yield user_id, ids
