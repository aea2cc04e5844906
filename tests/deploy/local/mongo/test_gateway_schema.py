"""The MongoDB of the local stack: indexes, validators and administration."""

from __future__ import annotations

import pytest
from bson import Int64
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    WriteError,
)

from tests.deploy.local.mongo.gateway_helpers import Documents, Rows, code_of

pytestmark = pytest.mark.real

REWARD_SCHEMA = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["amount_base_units"],
        "properties": {"amount_base_units": {"bsonType": "long", "minimum": Int64(0)}},
    }
}


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

        for field in ("a", "b", "c", "n"):
            database.things.create_index(field)

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
    def rewards(self, database: Documents) -> Rows:
        return database.create_collection(
            "rewards", validator=REWARD_SCHEMA, validationAction="error", validationLevel="strict"
        )

    def test_inserts_updates_and_find_and_modify_are_checked(self, rewards: Rows) -> None:
        rewards.insert_one({"_id": 1, "amount_base_units": Int64(5)})
        as_float = {"$set": {"amount_base_units": 0.5}}

        with pytest.raises(WriteError) as caught:
            rewards.insert_one({"amount_base_units": 5.0})

        assert caught.value.code == 121
        assert code_of(lambda: rewards.update_one({"_id": 1}, as_float)) == 121
        assert code_of(lambda: rewards.find_one_and_update({"_id": 1}, as_float)) == 121
        assert rewards.find_one() == {"_id": 1, "amount_base_units": 5}

    def test_a_bulk_insert_keeps_the_valid_ones(self, rewards: Rows) -> None:
        amounts = [Int64(1), "two", Int64(3), Int64(-4)]

        with pytest.raises(BulkWriteError) as caught:
            rewards.insert_many([{"amount_base_units": a} for a in amounts], ordered=False)

        assert [e["index"] for e in caught.value.details["writeErrors"]] == [1, 3]
        assert {e["code"] for e in caught.value.details["writeErrors"]} == {121}
        assert rewards.count_documents({}) == 2

    def test_coll_mod_changes_the_validator(self, database: Documents, rewards: Rows) -> None:
        database.command(
            "collMod", "rewards", validator={"name": {"$type": "string"}}, validationAction="error"
        )

        assert code_of(lambda: rewards.insert_one({"amount_base_units": Int64(1)})) == 121
        rewards.insert_one({"name": "now this"})

    def test_conflicts_and_missing_collections_have_their_codes(self, database: Documents) -> None:
        database.create_collection("once", validator=REWARD_SCHEMA)

        assert code_of(lambda: database.command("create", "once")) == 48
        assert code_of(lambda: database.command("collMod", "missing", validator={})) == 26


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
