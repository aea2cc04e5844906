"""The MongoDB of the local stack: fail points, and bulk writes that end in their middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import pytest
from pymongo import InsertOne, UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from tests.deploy.local.mongo.gateway_helpers import Documents, Rows, code_of

pytestmark = pytest.mark.real

PIECEMEAL = "applyBulkPiecemeal"
Armed = Callable[..., Any]


@pytest.fixture
def armed(client: pymongo.MongoClient[dict[str, Any]]) -> Armed:
    """Set a fail point during a block."""

    @contextmanager
    def arm(name: str, mode: object, **data: object) -> Iterator[None]:
        client.admin.command({"configureFailPoint": name, "mode": mode, "data": data})
        try:
            yield
        finally:
            client.admin.command({"configureFailPoint": name, "mode": "off"})

    return arm


def ids(rows: Rows) -> list[int]:
    return sorted(document["_id"] for document in rows.find())


class TestPiecemeal:
    def test_a_cut_bulk_keeps_the_operations_before_the_cut(
        self, database: Documents, armed: Armed
    ) -> None:
        with armed(PIECEMEAL, "alwaysOn", closeAfter=2), pytest.raises(AutoReconnect):
            database.things.insert_many([{"_id": i} for i in range(5)])

        assert ids(database.things) == [0, 1]

    def test_the_drivers_repetition_continues_where_the_first_try_ended(
        self, database: Documents, armed: Armed
    ) -> None:
        database.things.insert_many([{"_id": i, "n": 0} for i in range(5)])

        with armed(PIECEMEAL, {"times": 1}, closeAfter=2):
            done = database.things.bulk_write(
                [UpdateOne({"_id": i}, {"$inc": {"n": 1}}) for i in range(5)]
            )

        assert done.modified_count == 3 + 2
        assert [document["n"] for document in database.things.find()] == [1] * 5

    def test_an_answer_can_be_lost_after_the_last_operation(
        self, database: Documents, armed: Armed
    ) -> None:
        with armed(PIECEMEAL, "alwaysOn", closeAfter=3), pytest.raises(AutoReconnect):
            database.things.insert_many([{"_id": i} for i in range(3)])

        assert ids(database.things) == [0, 1, 2]

    def test_an_update_of_many_documents_ends_in_its_middle(
        self, database: Documents, armed: Armed
    ) -> None:
        database.things.insert_many([{"_id": i, "n": 0} for i in range(5)])

        with armed(PIECEMEAL, "alwaysOn", closeAfter=2), pytest.raises(AutoReconnect):
            database.things.update_many({"n": 0}, {"$set": {"n": 1}})

        assert database.things.count_documents({"n": 1}) == 2

    def test_a_delete_of_many_documents_ends_in_its_middle(
        self, database: Documents, armed: Armed
    ) -> None:
        database.things.insert_many([{"_id": i} for i in range(5)])

        with armed(PIECEMEAL, "alwaysOn", closeAfter=2), pytest.raises(AutoReconnect):
            database.things.delete_many({})

        assert database.things.count_documents({}) == 3

    def test_without_a_cut_the_result_is_that_of_the_whole_bulk(
        self, database: Documents, armed: Armed
    ) -> None:
        writes = [
            InsertOne({"_id": 1}),
            InsertOne({"_id": 1}),
            UpdateOne({"_id": 2}, {"$set": {"n": 1}}, upsert=True),
            UpdateOne({"_id": 1}, {"$set": {"n": 1}}),
        ]
        results = []
        for name in ("whole", "piecemeal"):
            with armed(PIECEMEAL, "alwaysOn", collection="piecemeal"):
                with pytest.raises(BulkWriteError) as caught:
                    database[name].bulk_write(writes, ordered=False)
                many = database[name].update_many({}, {"$inc": {"n": 1}})
            details = caught.value.details
            codes = [(error["index"], error["code"]) for error in details["writeErrors"]]
            counts = [details[key] for key in ("nInserted", "nMatched", "nModified", "upserted")]
            counts += [many.matched_count, many.modified_count]
            results.append((codes, counts, list(database[name].find().sort("_id"))))

        assert results[0] == results[1]
        assert results[0][0] == [(1, 11000)]

    def test_an_ordered_bulk_stops_at_its_first_error(
        self, database: Documents, armed: Armed
    ) -> None:
        with armed(PIECEMEAL, "alwaysOn"), pytest.raises(BulkWriteError):
            database.things.insert_many([{"_id": 1}, {"_id": 1}, {"_id": 2}])

        assert ids(database.things) == [1]


class TestFailCommand:
    def test_a_lost_connection_is_repeated_by_the_driver(
        self, database: Documents, armed: Armed
    ) -> None:
        with armed("failCommand", {"times": 1}, failCommands=["insert"], closeConnection=True):
            database.things.insert_one({"_id": 1})

        assert ids(database.things) == [1]

    def test_a_write_whose_answer_is_lost_happens_once(
        self, database: Documents, armed: Armed
    ) -> None:
        database.things.insert_one({"_id": 1, "n": 0})

        with armed("onPrimaryTransactionalWrite", {"times": 1}):
            database.things.update_one({"_id": 1}, {"$inc": {"n": 1}})

        assert database.things.find_one() == {"_id": 1, "n": 1}

    def test_a_bulk_whose_answer_is_lost_happens_once(
        self, database: Documents, armed: Armed
    ) -> None:
        database.things.insert_many([{"_id": i, "n": 0} for i in range(3)])
        writes = [UpdateOne({"_id": i}, {"$inc": {"n": 1}}) for i in range(3)]

        with armed("onPrimaryTransactionalWrite", {"times": 1}):
            database.things.bulk_write(writes)

        assert [document["n"] for document in database.things.find()] == [1] * 3

    def test_an_error_replaces_the_command(self, database: Documents, armed: Armed) -> None:
        with armed("failCommand", {"times": 1}, failCommands=["insert"], errorCode=121):
            assert code_of(lambda: database.things.insert_one({"_id": 1})) == 121

        assert ids(database.things) == []

    def test_some_commands_may_pass_first(self, database: Documents, armed: Armed) -> None:
        with armed("failCommand", {"skip": 1}, failCommands=["insert"], errorCode=121):
            database.things.insert_one({"_id": 1})
            with pytest.raises(OperationFailure):
                database.things.insert_one({"_id": 2})

        assert ids(database.things) == [1]

    @pytest.mark.parametrize("name", ["noSuchFailPoint", "failCommand"])
    def test_an_unknown_fail_point_or_mode_is_refused(
        self, client: pymongo.MongoClient[dict[str, Any]], name: str
    ) -> None:
        command = {"configureFailPoint": name, "mode": "sometimes"}
        assert code_of(lambda: client.admin.command(command)) in (15891, 2)
