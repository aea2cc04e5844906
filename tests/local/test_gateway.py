"""The MongoDB that the local stack gives: what kontrib asks of it, seen through pymongo."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pymongo
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    WriteError,
)

from worker.local.mongo_engine import OpenCursors
from worker.local.service import LOOPBACK
from worker.local.stack import LocalStack

pytestmark = pytest.mark.real

Documents = Database[dict[str, Any]]
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)
REWARD_SCHEMA = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["amount_base_units"],
        "properties": {"amount_base_units": {"bsonType": "long", "minimum": Int64(0)}},
    }
}


def code_of(call: Callable[[], object]) -> int | None:
    """MongoDB's code of the error that a call raises."""
    with pytest.raises(OperationFailure) as caught:
        call()
    return caught.value.code


class TestDocuments:
    def test_a_document_comes_back_as_it_was_written(self, database: Documents) -> None:
        document = {
            "_id": ObjectId(),
            "amount": Int64(2**62 + 1),
            "small_long": Int64(1),
            "decimal": Decimal128("85.500000001"),
            "float": 0.1,
            "at": datetime(2024, 12, 9, 1, 2, 3, 4000),
            "nothing": None,
            "nested": {"list": [1, "zwei", {"drei": True}]},
            "bytes": b"\x00\xff",
        }

        database.things.insert_one(document)

        read = database.things.find_one()
        assert read == document
        assert isinstance(read["small_long"], Int64)

    def test_update_replace_and_delete_count_what_they_did(self, database: Documents) -> None:
        database.things.insert_many([{"_id": i, "n": i} for i in range(10)])

        updated = database.things.update_many({"n": {"$gte": 5}}, {"$inc": {"n": 100}})
        replaced = database.things.replace_one({"_id": 0}, {"gone": True})
        upserted = database.things.update_one({"_id": 77}, {"$set": {"n": 1}}, upsert=True)
        deleted = database.things.delete_many({"n": {"$gt": 100}})

        assert (updated.matched_count, updated.modified_count) == (5, 5)
        assert replaced.modified_count == 1
        assert upserted.upserted_id == 77
        assert deleted.deleted_count == 5
        assert database.things.count_documents({}) == 6

    def test_find_and_modify_returns_before_or_after(self, database: Documents) -> None:
        jobs = database.jobs
        jobs.insert_one({"_id": 1, "state": "new"})

        before = jobs.find_one_and_update({"_id": 1}, {"$set": {"state": "taken"}})
        after = jobs.find_one_and_update(
            {"_id": 2}, {"$inc": {"n": 1}}, upsert=True, return_document=True
        )
        nothing = jobs.find_one_and_update({"_id": 3}, {"$set": {"n": 1}})

        assert before == {"_id": 1, "state": "new"}
        assert after == {"_id": 2, "n": 1}
        assert nothing is None
        assert jobs.find_one_and_delete({"_id": 1}) == {"_id": 1, "state": "taken"}

    def test_a_pipeline_can_be_an_update(self, database: Documents) -> None:
        database.things.insert_one({"_id": 1, "points": 3})

        database.things.update_one({"_id": 1}, [{"$set": {"double": {"$add": ["$points"] * 2}}}])

        assert database.things.find_one() == {"_id": 1, "points": 3, "double": 6}

    def test_a_condition_on_the_old_value_lets_exactly_one_writer_win(
        self, database: Documents
    ) -> None:
        counter, wins = database.counter, list[int]()
        counter.insert_one({"_id": 1, "n": 0})

        def compare_and_set() -> None:
            for _ in range(40):
                n = counter.find_one({"_id": 1})["n"]  # type: ignore[index]
                if counter.update_one({"_id": 1, "n": n}, {"$set": {"n": n + 1}}).modified_count:
                    wins.append(n)

        in_parallel(compare_and_set)

        assert sorted(wins) == list(range(len(wins)))
        assert counter.find_one() == {"_id": 1, "n": len(wins)}

    def test_a_claim_is_given_to_one_claimer_only(self, database: Documents) -> None:
        jobs, claimed = database.jobs, list[int]()
        jobs.insert_many([{"_id": i, "state": "new"} for i in range(100)])

        def claim_all() -> None:
            while job := jobs.find_one_and_update({"state": "new"}, {"$set": {"state": "taken"}}):
                claimed.append(job["_id"])

        in_parallel(claim_all)

        assert sorted(claimed) == list(range(100))

    def test_upserts_of_one_key_at_once_make_one_document(self, database: Documents) -> None:
        totals = database.totals
        totals.create_index("user_id", unique=True)

        def add() -> None:
            for i in range(20):
                totals.update_one({"user_id": i}, {"$inc": {"n": 1}}, upsert=True)

        in_parallel(add)

        assert [d["n"] for d in totals.find()] == [8] * 20


class TestBulkWrites:
    def test_unordered_writes_go_on_after_errors_and_report_each(self, database: Documents) -> None:
        rewards = database.rewards
        rewards.create_index([("user_id", 1), ("week", -1)], unique=True, name="once")
        rewards.insert_one({"_id": 1, "user_id": "a", "week": 1})

        with pytest.raises(BulkWriteError) as caught:
            rewards.bulk_write(
                [
                    pymongo.InsertOne({"_id": 1}),
                    pymongo.InsertOne({"_id": 2, "user_id": "b", "week": 1}),
                    pymongo.InsertOne({"_id": 3, "user_id": "a", "week": 1}),
                    pymongo.UpdateOne({"_id": 2}, {"$set": {"user_id": "a"}}),
                    pymongo.InsertOne({"_id": 4, "user_id": "c", "week": 1}),
                ],
                ordered=False,
            )

        errors = caught.value.details["writeErrors"]
        assert [(e["index"], e["code"]) for e in errors] == [(0, 11000), (2, 11000), (3, 11000)]
        assert errors[0]["keyPattern"] == {"_id": 1}
        assert errors[1]["keyPattern"] == {"user_id": 1, "week": -1}
        assert errors[1]["keyValue"] == {"user_id": "a", "week": 1}
        assert "index: once" in errors[1]["errmsg"]
        assert caught.value.details["nInserted"] == 2
        assert sorted(d["_id"] for d in rewards.find()) == [1, 2, 4]

    def test_ordered_writes_stop_at_the_first_error(self, database: Documents) -> None:
        with pytest.raises(BulkWriteError) as caught:
            database.things.insert_many([{"_id": 1}, {"_id": 1}, {"_id": 2}])

        assert caught.value.details["nInserted"] == 1
        assert [d["_id"] for d in database.things.find()] == [1]

    def test_many_thousand_documents_go_in_at_once(self, database: Documents) -> None:
        database.things.insert_many(
            [{"_id": i, "text": "x" * 200} for i in range(30_000)], ordered=False
        )

        assert database.things.count_documents({}) == 30_000
        assert database.things.estimated_document_count() == 30_000

    def test_bulk_writes_in_opposite_orders_all_succeed(self, database: Documents) -> None:
        things = database.things
        things.insert_many([{"_id": i, "n": 0} for i in range(50)])

        def add_in_any_order() -> None:
            for _ in range(5):
                ids = random.sample(range(50), 50)
                things.bulk_write([pymongo.UpdateOne({"_id": i}, {"$inc": {"n": 1}}) for i in ids])

        in_parallel(add_in_any_order)

        assert {d["n"] for d in things.find()} == {8 * 5}

    def test_unacknowledged_writes_are_carried_out(self, database: Documents) -> None:
        things = database.things.with_options(write_concern=pymongo.WriteConcern(w=0))
        things.insert_one({"_id": 1})

        # The same connection answers in order, so a later read sees the write.
        assert database.things.find_one() == {"_id": 1}


class TestIndexes:
    def test_a_unique_index_refuses_the_second(self, database: Documents) -> None:
        database.users.create_index("wallet", unique=True)
        database.users.insert_one({"wallet": "w"})

        with pytest.raises(DuplicateKeyError) as caught:
            database.users.insert_one({"wallet": "w"})

        assert caught.value.details is not None
        assert caught.value.details["keyValue"] == {"wallet": "w"}

    def test_find_and_modify_reports_a_duplicate_key(self, database: Documents) -> None:
        database.users.create_index("wallet", unique=True)
        database.users.insert_many([{"_id": 1, "wallet": "a"}, {"_id": 2, "wallet": "b"}])

        with pytest.raises(DuplicateKeyError) as caught:
            database.users.find_one_and_update({"_id": 1}, {"$set": {"wallet": "b"}})

        assert caught.value.details is not None
        assert caught.value.details["keyPattern"] == {"wallet": 1}

    def test_a_sparse_unique_index_ignores_documents_without_the_field(
        self, database: Documents
    ) -> None:
        database.users.create_index("wallet", unique=True, sparse=True)

        database.users.insert_many([{}, {}, {"wallet": "w"}])

        assert code_of(lambda: database.users.insert_one({"wallet": "w"})) == 11000

    def test_a_partial_unique_index_counts_only_what_it_covers(self, database: Documents) -> None:
        database.stakes.create_index(
            "user_id", unique=True, partialFilterExpression={"status": "active"}
        )
        database.stakes.insert_many([{"user_id": 1, "status": s} for s in ("active", "done")])

        assert (
            code_of(lambda: database.stakes.insert_one({"user_id": 1, "status": "active"})) == 11000
        )

    def test_the_same_index_twice_is_no_error_and_another_of_that_name_is(
        self, database: Documents
    ) -> None:
        things = database.things
        things.create_index("n", unique=True)

        assert things.create_index("n", unique=True) == "n_1"
        assert code_of(lambda: things.create_index("m", name="n_1")) == 86
        assert code_of(lambda: things.create_index("n", unique=True, name="other")) == 85

    def test_a_unique_index_over_duplicates_is_refused(self, database: Documents) -> None:
        database.things.insert_many([{"n": 1}, {"n": 1}])

        with pytest.raises(DuplicateKeyError) as caught:
            database.things.create_index("n", unique=True)

        assert caught.value.details is not None
        assert caught.value.details["keyPattern"] == {"n": 1}

    def test_indexes_on_filled_collections_are_ready_at_once(self, database: Documents) -> None:
        database.things.insert_many([{"n": i} for i in range(2_000)])

        started = datetime.now(UTC)
        for field in ("a", "b", "c", "n"):
            database.things.create_index(field)

        assert datetime.now(UTC) - started < timedelta(seconds=2)
        assert set(database.things.index_information()) == {"_id_", "a_1", "b_1", "c_1", "n_1"}

    def test_dropping_and_listing(self, database: Documents) -> None:
        database.things.create_index("n", expireAfterSeconds=3600)

        information = database.things.index_information()
        database.things.drop_index("n_1")

        assert information["n_1"]["expireAfterSeconds"] == 3600
        assert code_of(lambda: database.things.drop_index("n_1")) == 27

    def test_a_hint_is_obeyed_and_a_wrong_one_is_refused(self, database: Documents) -> None:
        database.things.create_index("n")
        database.things.insert_many([{"n": i, "m": i} for i in range(100)])

        assert len(list(database.things.find({"m": 5}).hint("n_1"))) == 1
        assert code_of(lambda: list(database.things.find({"m": 5}).hint("m_1"))) == 2

    def test_explain_names_the_index(self, database: Documents) -> None:
        database.things.create_index("n")
        database.things.insert_many([{"n": i, "text": "x" * 500} for i in range(2_000)])

        by_index = database.things.find({"n": 5}).explain()
        without = database.things.find({"m": 5}).explain()

        assert by_index["queryPlanner"]["winningPlan"]["stage"] == "IXSCAN"
        assert by_index["queryPlanner"]["winningPlan"]["indexName"] == "n_1"
        assert by_index["executionStats"]["nReturned"] == 1
        assert without["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN"


class TestValidators:
    @pytest.fixture
    def rewards(self, database: Documents) -> pymongo.collection.Collection[dict[str, Any]]:
        return database.create_collection(
            "rewards", validator=REWARD_SCHEMA, validationAction="error", validationLevel="strict"
        )

    def test_inserts_updates_and_find_and_modify_are_checked(
        self, rewards: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        rewards.insert_one({"_id": 1, "amount_base_units": Int64(5)})
        as_float = {"$set": {"amount_base_units": 0.5}}

        with pytest.raises(WriteError) as caught:
            rewards.insert_one({"amount_base_units": 5.0})

        assert caught.value.code == 121
        assert code_of(lambda: rewards.update_one({"_id": 1}, as_float)) == 121
        assert code_of(lambda: rewards.find_one_and_update({"_id": 1}, as_float)) == 121
        assert rewards.find_one() == {"_id": 1, "amount_base_units": 5}

    def test_a_bulk_insert_keeps_the_valid_ones(
        self, rewards: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        amounts = [Int64(1), "two", Int64(3), Int64(-4)]

        with pytest.raises(BulkWriteError) as caught:
            rewards.insert_many([{"amount_base_units": a} for a in amounts], ordered=False)

        assert [e["index"] for e in caught.value.details["writeErrors"]] == [1, 3]
        assert {e["code"] for e in caught.value.details["writeErrors"]} == {121}
        assert rewards.count_documents({}) == 2

    def test_coll_mod_changes_the_validator(
        self, database: Documents, rewards: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        database.command(
            "collMod", "rewards", validator={"name": {"$type": "string"}}, validationAction="error"
        )

        assert code_of(lambda: rewards.insert_one({"amount_base_units": Int64(1)})) == 121
        rewards.insert_one({"name": "now this"})

    def test_conflicts_and_missing_collections_have_their_codes(self, database: Documents) -> None:
        database.create_collection("once", validator=REWARD_SCHEMA)

        assert code_of(lambda: database.command("create", "once")) == 48
        assert code_of(lambda: database.command("collMod", "missing", validator={})) == 26


class TestAggregation:
    @pytest.fixture
    def contributions(self, database: Documents) -> pymongo.collection.Collection[dict[str, Any]]:
        database.contributions.insert_many(
            [
                {"user_id": f"{i % 3_000:024x}", "points": Int64(i % 7), "at": MONDAY}
                for i in range(12_000)
            ]
        )
        return database.contributions

    def test_groups_come_sorted_over_many_batches(
        self, contributions: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        pipeline = [
            {"$match": {"at": {"$gte": MONDAY, "$lt": MONDAY + timedelta(days=7)}}},
            {"$group": {"_id": "$user_id", "points": {"$sum": "$points"}}},
            {"$sort": {"_id": 1}},
        ]

        groups = list(contributions.aggregate(pipeline, batchSize=100))

        assert [g["_id"] for g in groups] == [f"{i:024x}" for i in range(3_000)]
        assert sum(g["points"] for g in groups) == sum(i % 7 for i in range(12_000))
        assert isinstance(groups[0]["points"], Int64)

    def test_a_find_reads_on_over_many_batches(
        self, contributions: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        ids = [d["_id"] for d in contributions.find({}, {"_id": 1}).sort("_id", 1).batch_size(500)]

        assert len(ids) == 12_000
        assert ids == sorted(ids)

    def test_a_cursor_can_be_read_on_another_connection(
        self, stack: LocalStack, contributions: pymongo.collection.Collection[dict[str, Any]]
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

    def test_a_killed_cursor_is_gone(
        self, contributions: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        database, name = contributions.database, contributions.name
        cursor_id = Int64(database.command("find", name, batchSize=5)["cursor"]["id"])

        database.command("killCursors", name, cursors=[cursor_id])

        with pytest.raises(CursorNotFound):
            database.command("getMore", cursor_id, collection=name)

    def test_lookup_merge_and_facet(
        self, database: Documents, contributions: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
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

    def test_a_time_limit_ends_a_long_query(
        self, contributions: pymongo.collection.Collection[dict[str, Any]]
    ) -> None:
        everything_by_everything = [
            {"$lookup": {"from": "contributions", "pipeline": [], "as": "all"}},
            {"$unwind": "$all"},
            {"$count": "n"},
        ]

        with pytest.raises(ExecutionTimeout):
            list(contributions.aggregate(everything_by_everything, maxTimeMS=100))


class TestAdministration:
    def test_collections_and_databases_are_listed_renamed_and_dropped(
        self, database: Documents
    ) -> None:
        database.one.insert_one({})
        database.two.insert_one({})

        database.one.rename("three")
        database.two.drop()
        database.missing.drop()

        assert database.list_collection_names() == ["three"]
        assert database.name in database.client.list_database_names()
        assert list(database.missing.list_indexes()) == []
        assert database.three.distinct("_id") != []

    def test_the_server_says_what_it_is(self, database: Documents) -> None:
        info = database.client.server_info()

        assert info["version"] == "7.0.0"
        assert info["documentdb"].startswith("1.")

    def test_errors_of_bad_commands_have_codes_and_end_nothing(self, database: Documents) -> None:
        assert code_of(lambda: database.command("noSuchThing")) == 59
        assert code_of(lambda: list(database.things.find({"n": {"$what": 1}}))) == 2
        assert code_of(lambda: list(database.things.aggregate([{"$what": 1}]))) == 40324
        assert code_of(lambda: database.command("getMore", "x")) == 9
        assert code_of(lambda: database.command({"insert": "things"})) == 9
        assert code_of(lambda: database.command({"createIndexes": "things"})) is not None

        assert database.command("ping") == {"ok": 1.0}

    def test_transactions_are_refused(self, database: Documents) -> None:
        with database.client.start_session() as session:
            session.start_transaction()

            assert code_of(lambda: database.things.insert_one({}, session=session)) == 20


class RawClient:
    """A connection that sends exactly the bytes it is told, as no driver does."""

    def __init__(self, stack: LocalStack) -> None:
        port = next(s.port for s in stack.status() if s.name == "mongo")
        assert port is not None
        self.socket = socket.create_connection((LOOPBACK, port), timeout=10)
        self.stream = self.socket.makefile("rb")
        self.session = {"id": Binary(random.randbytes(16), 4)}

    def send(self, body: bytes, opcode: int = 2013) -> None:
        self.socket.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, opcode) + body)

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        self.send(b"\0\0\0\0\0" + bson.encode(command))
        (length, *_) = struct.unpack("<iiii", self.stream.read(16))
        return bson.decode(self.stream.read(length - 16)[5:])

    def write_twice(self, command: dict[str, Any], number: int) -> list[dict[str, Any]]:
        """Send a write as a driver does that did not get the first answer."""
        retryable = {**command, "lsid": self.session, "txnNumber": Int64(number)}
        return [self.command(retryable) for _ in range(2)]


@pytest.fixture
def raw(stack: LocalStack) -> RawClient:
    return RawClient(stack)


class TestRepeatedWrites:
    def test_a_repeated_write_happens_once_and_is_answered_twice(
        self, database: Documents, raw: RawClient
    ) -> None:
        add_one = {"$inc": {"n": 1}}
        commands: list[dict[str, Any]] = [
            {"insert": "t", "documents": [{"_id": 1, "n": 0}]},
            {"insert": "t", "documents": [{"_id": 2, "n": 0}, {"_id": 3, "n": 0}]},
            {"update": "t", "updates": [{"q": {"_id": 1}, "u": add_one}]},
            {"update": "t", "updates": [{"q": {"_id": i}, "u": add_one} for i in (1, 2, 3)]},
            {"update": "t", "updates": [{"q": {"_id": 4}, "u": add_one, "upsert": True}]},
            {"findAndModify": "t", "query": {"_id": 2}, "update": add_one, "new": True},
            {"delete": "t", "deletes": [{"q": {"n": 1}, "limit": 1}]},
        ]

        for number, command in enumerate(commands):
            first, second = raw.write_twice({**command, "$db": database.name}, number)
            assert first == second, command
            assert first["ok"] == 1.0

        # After all commands: 1 has 2, 2 has 2, 3 and 4 had 1, and one of those two is deleted.
        assert sorted(d["n"] for d in database.t.find()) == [1, 2, 2]

    def test_two_repetitions_at_once_happen_once(
        self, database: Documents, stack: LocalStack
    ) -> None:
        database.t.insert_many([{"_id": i, "n": 0} for i in range(200)])
        updates = [{"q": {"_id": i}, "u": {"$inc": {"n": 1}}} for i in range(200)]
        session, answers = {"id": Binary(random.randbytes(16), 4)}, list[dict[str, Any]]()

        def write() -> None:
            answers.append(
                RawClient(stack).command(
                    {"update": "t", "updates": updates, "lsid": session, "txnNumber": Int64(1),
                     "$db": database.name}
                )
            )  # fmt: skip

        in_parallel(write, threads=4)

        assert {answer["nModified"] for answer in answers} == {200}
        assert {d["n"] for d in database.t.find()} == {1}


class TestBadClients:
    @pytest.mark.parametrize(
        ("body", "opcode"),
        [
            pytest.param(b"", 2013, id="empty"),
            pytest.param(b"\0\0\0\0\0\xff\xff\xff\xff", 2013, id="negative section length"),
            pytest.param(b"\0\0\0\0\1\x08\0\0\0abcd", 2013, id="sequence without a name"),
            pytest.param(b"hello", 4711, id="unknown opcode"),
        ],
    )
    def test_nonsense_ends_that_connection_only(
        self, raw: RawClient, database: Documents, body: bytes, opcode: int
    ) -> None:
        raw.send(body, opcode)

        assert raw.stream.read() == b""
        assert database.command("ping") == {"ok": 1.0}

    def test_broken_bson_is_an_error_and_not_the_end(self, raw: RawClient) -> None:
        raw.send(b"\0\0\0\0\0" + struct.pack("<i", 9) + b"\x7fxyz\0")
        (length, *_) = struct.unpack("<iiii", raw.stream.read(16))
        answer = bson.decode(raw.stream.read(length - 16)[5:])

        assert answer["code"] == 9
        assert raw.command({"ping": 1, "$db": "admin"}) == {"ok": 1.0}

    def test_a_client_that_leaves_in_the_middle_does_no_harm(
        self, raw: RawClient, database: Documents
    ) -> None:
        raw.socket.sendall(struct.pack("<iiii", 5_000, 1, 0, 2013) + b"half")
        raw.stream.close()
        raw.socket.close()

        assert database.command("ping") == {"ok": 1.0}

    def test_a_write_that_is_not_an_object_is_refused(self, raw: RawClient) -> None:
        answer = raw.command({"insert": "t", "documents": [1, 2], "$db": "nowhere"})

        assert answer["ok"] == 0.0


class TestOpenCursors:
    def test_the_oldest_cursors_go_when_there_are_too_many(self) -> None:
        cursors = OpenCursors(cursors_max=2)

        dropped = [cursors.put(cursor_id, b"page") for cursor_id in (1, 2, 3)]

        assert dropped == [[], [], [1]]
        assert cursors.take(1) is None
        assert cursors.take(2) == b"page"
        assert cursors.take(2) is None


def in_parallel(work: Callable[[], None], threads: int = 8) -> None:
    """Run `work` in several threads; a failure in one of them is a failure of the test."""
    failures = list[BaseException]()

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the test's thread
            failures.append(failure)

    running = [threading.Thread(target=guarded) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]
