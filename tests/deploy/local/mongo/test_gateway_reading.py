"""The MongoDB of the local stack: aggregation and cursors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pymongo
import pytest
from bson import Int64
from pymongo.errors import (
    CursorNotFound,
    ExecutionTimeout,
)

from deploy.local.mongo.engine import OpenCursors
from deploy.local.stack import LocalStack
from tests.deploy.local.mongo.gateway_helpers import MONDAY, Documents, Rows

pytestmark = pytest.mark.real


class TestAggregation:
    @pytest.fixture
    def contributions(self, database: Documents) -> Rows:
        database.contributions.insert_many(
            [
                {"user_id": f"{i % 3_000:024x}", "points": Int64(i % 7), "at": MONDAY}
                for i in range(12_000)
            ]
        )
        return database.contributions

    def test_groups_come_sorted_over_many_batches(self, contributions: Rows) -> None:
        pipeline: list[dict[str, Any]] = [
            {"$match": {"at": {"$gte": MONDAY, "$lt": MONDAY + timedelta(days=7)}}},
            {"$group": {"_id": "$user_id", "points": {"$sum": "$points"}}},
            {"$sort": {"_id": 1}},
        ]

        groups = list(contributions.aggregate(pipeline, batchSize=100))

        assert [g["_id"] for g in groups] == [f"{i:024x}" for i in range(3_000)]
        assert sum(g["points"] for g in groups) == sum(i % 7 for i in range(12_000))
        assert isinstance(groups[0]["points"], Int64)

    def test_a_find_reads_on_over_many_batches(self, contributions: Rows) -> None:
        ids = [d["_id"] for d in contributions.find({}, {"_id": 1}).sort("_id", 1).batch_size(500)]

        assert len(ids) == 12_000
        assert ids == sorted(ids)

    def test_a_cursor_can_be_read_on_another_connection(
        self, stack: LocalStack, contributions: Rows
    ) -> None:
        database, name = contributions.database, contributions.name
        page = database.command("find", name, batchSize=5)["cursor"]

        with pymongo.MongoClient[dict[str, Any]](stack.settings()["MONGO_URI"]) as other:
            more = other[database.name].command(
                "getMore", Int64(page["id"]), collection=name, batchSize=5
            )["cursor"]["nextBatch"]

        first_ids = {d["_id"] for d in page["firstBatch"]}
        assert len(more) == 5
        assert first_ids.isdisjoint(d["_id"] for d in more)

    def test_a_killed_cursor_is_gone(self, contributions: Rows) -> None:
        database, name = contributions.database, contributions.name
        cursor_id = Int64(database.command("find", name, batchSize=5)["cursor"]["id"])

        database.command("killCursors", name, cursors=[cursor_id])

        with pytest.raises(CursorNotFound):
            database.command("getMore", cursor_id, collection=name)

    def test_lookup_merge_and_facet(self, database: Documents, contributions: Rows) -> None:
        database.users.insert_one({"_id": f"{5:024x}", "wallet": "w"})
        joined = list(
            contributions.aggregate(
                [
                    {"$match": {"user_id": f"{5:024x}"}},
                    {"$lookup": {"from": "users", "localField": "user_id",
                                 "foreignField": "_id", "as": "user"}},
                    {"$merge": {"into": "joined"}},
                ]
            )
        )  # fmt: skip

        facets = list(contributions.aggregate([{"$facet": {"all": [{"$count": "n"}]}}]))

        assert joined == []
        assert database.joined.count_documents({"user.wallet": "w"}) == 4
        assert facets == [{"all": [{"n": 12_000}]}]

    def test_a_time_limit_ends_a_long_query(self, contributions: Rows) -> None:
        everything_by_everything: list[dict[str, Any]] = [
            {"$lookup": {"from": "contributions", "pipeline": [], "as": "all"}},
            {"$unwind": "$all"},
            {"$count": "n"},
        ]

        with pytest.raises(ExecutionTimeout):
            list(contributions.aggregate(everything_by_everything, maxTimeMS=100))


class TestOpenCursors:
    def test_the_oldest_cursors_go_when_there_are_too_many(self) -> None:
        cursors = OpenCursors(cursors_max=2)

        dropped = [cursors.put(cursor_id, b"page") for cursor_id in (1, 2, 3)]

        assert dropped == [[], [], [1]]
        assert cursors.take(1) is None
        assert cursors.take(2) == b"page"
        assert cursors.take(2) is None
