"""The MongoDB of the local stack: documents and bulk writes, seen through pymongo."""

from __future__ import annotations

import random
from datetime import timedelta

import pymongo
import pytest
from bson import Decimal128, Int64, ObjectId
from pymongo.errors import (
    BulkWriteError,
)

from tests.deploy.local.mongo.gateway_helpers import MONDAY, Documents, in_parallel

pytestmark = pytest.mark.real


class TestDocuments:
    def test_a_document_comes_back_as_it_was_written(self, database: Documents) -> None:
        document = {
            "_id": ObjectId(),
            "amount": Int64(2**62 + 1),
            "small_long": Int64(1),
            "decimal": Decimal128("85.500000001"),
            "float": 0.1,
            "at": MONDAY.replace(tzinfo=None) + timedelta(milliseconds=4),
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
