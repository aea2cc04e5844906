"""A wiki that exists: what migration refuses, keeps, replaces, and gives back."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId

from tests.contracts.store_worlds import freeze, write_plan
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.differences import Kind
from worker.adapters.mongo.schema.index_obstacles import index_obstacles
from worker.adapters.mongo.schema.look import NothingToSetAside
from worker.adapters.mongo.schema.migrations import (
    MigrationReport,
    SchemaDiffers,
    migrate,
    plan_migration,
    require_schema,
    verify,
)
from worker.adapters.mongo.schema.obstacles import CannotTake, unusable
from worker.adapters.mongo.schema.rollback import plan_rollback, rollback
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.ingest import DocumentRefused, MongoIngestStore
from worker.core.wiki.contribution_file import Contribution

pytestmark = pytest.mark.real

NOW = datetime(2024, 12, 1, tzinfo=UTC)
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)
EARLIER = datetime(2024, 11, 4, tzinfo=UTC)
HEX = "5f0f77bcf86cd7994390110a"
REWARD = {
    "user_id": "ada",
    "week_start": EARLIER,
    "token_amount": 85.5,
    "transaction_signature": "sig",
    "status": "completed",
}
CONTRIBUTION = {
    "user_id": "ada",
    "article_id": "a",
    "type": "creation",
    "total_points": 540,
    "created_at": EARLIER,
}


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    """An empty database."""
    database = connect(mongo_uri, f"kontrib_existing_{os.getpid()}")
    database.client.drop_database(database.name)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def quiet(line: str) -> None:
    del line


def run(database: Mongo, *set_aside: str) -> MigrationReport:
    return migrate(database, quiet, NOW, set_aside)


def everything(database: Mongo) -> dict[str, list[Any]]:
    """Every document, index and validator of a database."""
    listed = {each["name"]: each for each in database.list_collections()}
    return {
        name: [
            listed[name]["type"],
            list(database[name].find().sort("_id", 1)),
            sorted(map(str, database[name].list_indexes()))
            if listed[name]["type"] == "collection"
            else [],
            listed[name].get("options", {}).get("validator") or None,
        ]
        for name in sorted(listed)
    }


def refusal(database: Mongo, *set_aside: str) -> str:
    """Why migration refuses, after a proof that it changed nothing."""
    before = everything(database)
    with pytest.raises(CannotTake) as refused:
        run(database, *set_aside)
    with pytest.raises(CannotTake):
        plan_migration(database, set_aside)
    assert everything(database) == before
    return str(refused.value)


def round_trip(database: Mongo) -> None:
    """Migrate and roll back: nothing is left of it."""
    before = everything(database)
    assert run(database).remaining == []
    rollback(database, quiet, NOW)
    assert everything(database) == before


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["users", "articles", "contributions", "payout_batches"])
def test_a_view_is_refused_by_name(database: Mongo, name: str) -> None:
    database.people.insert_one({"_id": 1, "name": "Ada"})
    database.create_collection(name, viewOn="people", pipeline=[])

    assert f"{name} is a view" in refusal(database)
    assert any(d.subject == name and "view" in d.found for d in verify(database))


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (None, None),
        ({"type": "collection", "options": {}}, None),
        ({"type": "collection"}, None),
        ({"type": "collection", "options": {"collation": {"locale": "simple"}}}, None),
        ({"type": "view", "options": {"viewOn": "people"}}, "is a view"),
        ({"type": "timeseries", "options": {"timeseries": {}}}, "is a time series"),
        ({"type": "collection", "options": {"capped": True, "size": 9}}, "is capped"),
        ({"type": "collection", "options": {"collation": {"locale": "en"}}}, "has a collation"),
        ({"type": "view"}, "is a view"),
        ({"type": "timeseries"}, "is a time series"),
        ({"type": "ledger"}, "is a ledger"),
        ({"type": "collection", "options": {"timeseries": {}}}, "is a time series"),
        ({"type": "collection", "options": {"viewOn": "people"}}, "is a view"),
        ({"type": "collection", "options": {"clusteredIndex": {"unique": True}}}, "is clustered"),
        ({"type": "collection", "options": {"expireAfterSeconds": 60}}, "deletes old documents"),
        ({"type": "collection", "options": {"encryptedFields": {}}}, "has encrypted fields"),
        ({"type": "collection", "options": {"temp": True}}, "is temporary"),
        ({"type": "collection", "options": {"autoIndexId": False}}, "has no index on _id"),
        ({"type": "collection", "options": {"invented": 1}}, "has the option invented"),
        ({"type": "collection", "info": {"readOnly": True}}, "can only be read"),
        (
            {
                "type": "collection",
                "options": {
                    "validator": {"a": 1},
                    "validationLevel": "strict",
                    "validationAction": "error",
                    "changeStreamPreAndPostImages": {"enabled": True},
                    "storageEngine": {"wiredTiger": {}},
                    "capped": False,
                },
                "info": {"readOnly": False, "uuid": b""},
            },
            None,
        ),
    ],
)
def test_collections_of_other_kinds_cannot_be_used(
    listed: dict[str, Any] | None, reason: str | None
) -> None:
    """The local engine makes few of these."""
    found = list(unusable(listed))

    assert len(found) == (reason is not None)
    assert all(each.startswith(reason or "") for each in found)
    assert all(each.startswith(str(reason)) for each in found)


def test_a_rollback_leaves_views_of_a_wiki_that_was_never_migrated(database: Mongo) -> None:
    database.people.insert_one({"_id": 1})
    for name in ("users", "payout_batches"):
        database.create_collection(name, viewOn="people", pipeline=[])
    before = everything(database)

    rollback(database, quiet, NOW)

    assert everything(database) == before


def test_every_obstacle_is_named_at_once(database: Mongo) -> None:
    database.people.insert_one({"_id": 1})
    database.create_collection("users", viewOn="people", pipeline=[])
    database.contributions.insert_one({"donor": "Ada", "amount": 5})

    text = refusal(database)
    assert "users is a view" in text
    assert "contributions has another meaning" in text


def test_wallets_in_arrays_that_share_an_element_are_refused(database: Mongo) -> None:
    database.users.insert_many(
        [
            {"_id": "a", "wallet_address": ["w1", "w2", "w2"]},
            {"_id": "b", "wallet_address": "w2"},
            {"_id": "c", "wallet_address": ["w3"]},
        ]
    )

    text = refusal(database)
    assert "2 users, among them a and b, share the wallet 'w2'" in text
    assert "w3" not in text


def test_empty_arrays_of_wallets_are_refused(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": []} for i in range(2)])

    assert "2 users, among them 0 and 1" in refusal(database)


def test_wallets_in_arrays_that_share_nothing_are_taken(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": [f"w{i}", None]} for i in "ab"][:1])
    database.users.insert_many([{"_id": i, "wallet_address": None} for i in range(3)])

    assert run(database).remaining == []


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("contributions", [{"donor": "Ada", "amount": 5, "created_at": NOW}]),
        ("token_rewards", [{"user_id": "ada", "badge": "gold"}]),
        ("payout_batches", [{"supplier": "x"}]),
        ("governance_votes", [{"poll": 1, "answer": 2}]),
        ("staking_records", [{"tomato": 1}]),
        ("weekly_distributions", [{"newsletter": 7}]),
    ],
)
def test_a_collection_of_another_meaning_is_refused_or_kept_under_another_name(
    database: Mongo, name: str, documents: list[dict[str, Any]]
) -> None:
    database[name].insert_many(documents)
    database[name].create_index("amount", name="theirs")
    before = everything(database)

    assert f"{name} has another meaning" in refusal(database)
    steps = plan_migration(database, [name])
    report = run(database, name)

    assert steps == report.steps
    assert report.remaining == []
    kept = everything(database)
    assert kept[f"{name}_before_kontrib"] == before[name]
    assert database[name].count_documents({}) == 0
    assert run(database).steps == []
    rollback(database, quiet, NOW)
    assert everything(database)[name] == before[name]
    assert f"{name}_before_kontrib" not in database.list_collection_names()


def test_odd_documents_among_right_ones_are_no_other_meaning(database: Mongo) -> None:
    database.contributions.insert_many([{**CONTRIBUTION} for _ in range(3)])
    database.contributions.insert_many([{"user_id": "ada"}, {"total_points": "many"}])

    assert run(database).remaining == []
    assert database.contributions.count_documents({}) == 5


@pytest.mark.parametrize("name", ["contributions", "users", "comments"])
def test_only_what_stands_in_the_way_is_set_aside(database: Mongo, name: str) -> None:
    database.contributions.insert_one({**CONTRIBUTION})
    database.comments.insert_one({"text": "t"})
    before = everything(database)

    with pytest.raises(NothingToSetAside, match=name):
        run(database, name)
    assert everything(database) == before


def test_a_killed_migration_keeps_a_collection_of_another_meaning(database: Mongo) -> None:
    database.contributions.insert_one({"_id": 1, "donor": "Ada"})

    def kill(line: str) -> None:
        if line.startswith("rename"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(database, kill, NOW, ["contributions"])
    assert run(database).remaining == []

    assert database.contributions_before_kontrib.find_one() == {"_id": 1, "donor": "Ada"}
    assert database.contributions.count_documents({}) == 0


@pytest.mark.parametrize(
    ("collection", "keys", "options"),
    [
        ("token_rewards", ["transaction_signature"], {"unique": True}),
        ("token_rewards", ["user_id", "week_start"], {"unique": True}),
        ("contributions", ["revision"], {"unique": True}),
        ("weekly_distributions", ["distribution_tx_hash"], {"unique": True, "sparse": True}),
    ],
)
def test_a_unique_index_that_refuses_our_records_is_refused(
    database: Mongo, collection: str, keys: list[str], options: dict[str, Any]
) -> None:
    database[collection].create_index([(key, 1) for key in keys], name="theirs", **options)

    assert f"{collection} has the unique index theirs" in refusal(database)


@pytest.mark.parametrize(
    ("collection", "keys", "options"),
    [
        ("token_rewards", ["user_id"], {"unique": True}),
        ("token_rewards", ["user_id"], {"unique": True, "sparse": True}),
        ("token_rewards", ["memo"], {"partialFilterExpression": {"status": "completed"}}),
        ("token_rewards", ["memo"], {"partialFilterExpression": {"amount_base_units": {"$gt": 0}}}),
        ("token_rewards", ["user_id"], {"partialFilterExpression": {"plan_id": {"$exists": True}}}),
        ("contributions", ["idempotency_key", "source"], {}),
        ("contributions", ["user_id", "created_at"], {}),
        ("staking_records", ["transfer_key", "note"], {}),
        ("governance_proposals", ["title"], {}),
        ("weekly_distributions", ["distribution_tx_hash"], {"sparse": True}),
        ("weekly_distributions_archive", ["status"], {}),
        ("weekly_distributions_conflicts", ["status"], {}),
        ("article_rewards", ["article_id"], {}),
        ("payout_batches", ["signature"], {"sparse": True}),
        ("system_config", ["key"], {}),
        ("system_config", ["version"], {"sparse": True}),
        ("users", ["team", "total_points"], {}),
        ("users", ["total_points"], {}),
        ("users", ["nick"], {"partialFilterExpression": {"total_points": {"$gt": 0}}}),
        ("articles", ["last_contribution_date"], {"sparse": True}),
    ],
)
def test_a_unique_index_that_our_writes_violate_is_refused(
    database: Mongo, collection: str, keys: list[str], options: dict[str, Any]
) -> None:
    made = {"unique": True, "name": "theirs"} | options
    database[collection].create_index([(key, 1) for key in keys], **made)

    assert f"{collection} has the unique index theirs" in refusal(database)


@pytest.mark.parametrize(
    ("collection", "keys", "options"),
    [
        ("token_rewards", ["invoice"], {"sparse": True}),
        ("token_rewards", ["user_id"], {"partialFilterExpression": {"invoice": {"$exists": True}}}),
        ("token_rewards", ["user_id"], {"partialFilterExpression": {"invoice": {"$gt": 0}}}),
        ("token_rewards", ["plan_id", "user_id", "memo"], {}),
        ("contributions", ["metadata.revision"], {"sparse": True}),
        ("contributions", ["idempotency_key", "source"], {"sparse": True}),
        ("weekly_distributions", ["week_start", "status"], {}),
        ("system_config", ["key"], {"sparse": True}),
        ("users", ["nick"], {}),
        ("users", ["team", "nick"], {"sparse": True}),
        ("articles", ["slug", "language"], {}),
    ],
)
def test_a_unique_index_that_our_writes_cannot_violate_is_taken(
    database: Mongo, collection: str, keys: list[str], options: dict[str, Any]
) -> None:
    made = {"unique": True, "name": "theirs"} | options
    database[collection].create_index([(key, 1) for key in keys], **made)

    assert run(database).remaining == []
    assert "theirs" in database[collection].index_information()


def test_a_unique_index_over_other_unique_fields_is_taken(database: Mongo) -> None:
    database.users.create_index("nick", unique=True)
    database.users.create_index([("nick", 1), ("total_points", 1)], unique=True, name="both")

    assert run(database).remaining == []


@pytest.mark.parametrize("users", [[{"wallet_address": ""}], [{"wallet_address": "w"}] * 2])
def test_a_unique_index_over_wallets_that_have_to_move_is_refused(
    database: Mongo, users: list[dict[str, Any]]
) -> None:
    database.users.insert_many([{**user, "chain": i} for i, user in enumerate(users)])
    keys = [("wallet_address", 1), ("chain", 1)]
    database.users.create_index(keys, unique=True, name="theirs")

    assert "users has the unique index theirs" in refusal(database)


@pytest.mark.parametrize(
    "existing",
    [
        {"key": {"plan_id": 1, "user_id": 1}, "unique": True, "collation": {"locale": "en"}},
        {"key": {"user_id": 1}, "prepareUnique": True},
        {"key": {"invoice": 1}, "unique": True, "partialFilterExpression": {"invoice": None}},
        {
            "key": {"x": 1},
            "unique": True,
            "partialFilterExpression": {"$and": [{"x": {"$lte": None}}, {"status": "completed"}]},
        },
        {"key": {"created_at": 1}, "expireAfterSeconds": 60},
        {"key": {"reason": "2dsphere"}},
    ],
)
def test_indexes_that_the_local_engine_does_not_make_are_refused(
    database: Mongo, existing: dict[str, Any]
) -> None:
    spec = next(each for each in COLLECTIONS if each.name == "token_rewards")

    (why,) = index_obstacles(database, spec, [{"name": "theirs", **existing}])

    assert "index theirs" in why


def test_what_the_wiki_inserts_later_is_no_wrong_schema(database: Mongo) -> None:
    run(database)
    database.users.insert_one({"_id": "new", "username": "new"})
    database.articles.insert_one({"_id": "new", "title": "new"})

    assert require_schema(database).endswith("; newer documents lack added fields")
    assert {finding.area for finding in verify(database)} == {Kind.FIELD}


def test_an_index_that_somebody_makes_later_is_named(database: Mongo) -> None:
    run(database)
    assert require_schema(database).startswith("version")
    database.token_rewards.create_index("claimed_at", expireAfterSeconds=60, name="old")
    database.governance_votes.create_index("user_id", unique=True, name="once")

    with pytest.raises(SchemaDiffers) as found:
        require_schema(database)

    assert "token_rewards: it has the index old, which deletes old documents" in str(found.value)
    assert "governance_votes: it has the unique index once" in str(found.value)


def test_the_index_on_the_id_and_our_own_are_no_obstacles(database: Mongo) -> None:
    run(database)
    for spec in COLLECTIONS:
        existing = list(map(dict, database[spec.name].list_indexes()))
        assert list(index_obstacles(database, spec, existing)) == []


def test_a_unique_index_over_a_field_that_everyone_gets_is_refused(database: Mongo) -> None:
    database.users.create_index("total_points", unique=True, sparse=True, name="theirs")
    database.users.insert_many([{"_id": i} for i in range(2)])

    assert "users has the unique index theirs" in refusal(database)


def test_an_index_that_deletes_records_is_refused(database: Mongo) -> None:
    database.contributions.create_index("created_at", expireAfterSeconds=10**8, name="old")
    database.users.create_index("seen_at", expireAfterSeconds=10**8, name="wikis_own")

    text = refusal(database)
    assert "contributions has the index old, which deletes old documents" in text
    assert "wikis_own" not in text


@pytest.mark.parametrize(
    ("collection", "field"),
    [(spec.name, "created_at") for spec in COLLECTIONS if not spec.wiki_owned]
    + [
        ("weekly_distributions_conflicts", "created_at"),
        ("users", "last_reward_claim"),
        ("users", "token_account_created_at"),
        ("articles", "last_contribution_date"),
    ],
)
def test_an_index_that_deletes_by_a_date_is_refused_wherever_we_write(
    database: Mongo, collection: str, field: str
) -> None:
    database[collection].create_index(field, expireAfterSeconds=10**8, name="old")

    assert f"{collection} has the index old, which deletes old documents" in refusal(database)


def test_repeated_values_that_only_a_person_can_tell_apart_are_refused(database: Mongo) -> None:
    row = {**CONTRIBUTION, "idempotency_key": "k"}
    database.contributions.insert_many([{**row}, {**row}])

    assert "contributions needs a unique index on idempotency_key" in refusal(database)


@pytest.mark.parametrize(
    ("config_id", "text"), [("genesis", "'genesis'"), ("control", "'control'")]
)
def test_settings_of_another_meaning_are_refused(
    database: Mongo, config_id: str, text: str
) -> None:
    database.system_config.insert_one({"_id": config_id, "book": "first"})

    assert text in refusal(database)


# --- validators --------------------------------------------------------------------------------


@pytest.mark.parametrize("documents", [0, 3])
def test_a_validator_that_our_fields_violate_is_refused(database: Mongo, documents: int) -> None:
    schema = {"bsonType": "object", "properties": {"total_points": {"bsonType": "string"}}}
    database.create_collection("users", validator={"$jsonSchema": schema})
    if documents:
        database.users.insert_many([{"_id": i} for i in range(documents)])

    assert "users has a validator that refuses documents with our fields" in refusal(database)


@pytest.mark.parametrize(
    "validator",
    [
        {"$jsonSchema": {"required": ["key"]}},
        {"key": {"$exists": True}},
        {"$jsonSchema": {"properties": {"version": {"bsonType": "string"}}}},
        {"$jsonSchema": {"properties": {"_id": {"enum": ["token_system", "theme"]}}}},
    ],
)
def test_a_validator_that_refuses_our_configuration_is_refused(
    database: Mongo, validator: dict[str, Any]
) -> None:
    database.create_collection("system_config", validator=validator)

    assert "system_config has a validator that refuses our document" in refusal(database)


def test_a_validator_of_configuration_that_takes_our_documents_stays(database: Mongo) -> None:
    validator = {"$jsonSchema": {"properties": {"theme": {"bsonType": "string"}}}}
    database.create_collection("system_config", validator=validator)

    assert run(database).remaining == []


def test_a_validator_of_the_conflicts_is_refused(database: Mongo) -> None:
    validator = {"$jsonSchema": {"required": ["reason"]}}
    database.create_collection("weekly_distributions_conflicts", validator=validator)

    assert "weekly_distributions_conflicts has a validator" in refusal(database)


def test_a_validator_that_later_values_violate_is_refused(database: Mongo) -> None:
    schema = {"bsonType": "object", "properties": {"last_reward_claim": {"bsonType": "null"}}}
    database.create_collection("users", validator={"$jsonSchema": schema})

    assert "last_reward_claim" in refusal(database)


def test_a_validator_without_a_schema_is_tried_on_each_document(database: Mongo) -> None:
    database.create_collection("articles", validator={"quality_score": {"$exists": False}})
    database.articles.insert_one({"_id": "a"})

    assert "articles has a validator that refuses document 'a'" in refusal(database)


@pytest.mark.parametrize("options", [{"validationAction": "warn"}, {"validationLevel": "off"}])
def test_a_validator_that_refuses_nothing_is_taken(
    database: Mongo, options: dict[str, Any]
) -> None:
    schema = {"bsonType": "object", "properties": {"total_points": {"bsonType": "string"}}}
    database.create_collection("users", validator={"$jsonSchema": schema}, **options)
    database.users.insert_one({"_id": 1})

    assert run(database).remaining == []


def test_validators_that_fit_stay_or_come_back(database: Mongo) -> None:
    named = {
        "bsonType": "object",
        "required": ["name"],
        "properties": {"name": {"bsonType": "string"}},
    }
    owned = {"bsonType": "object", "required": ["user_id"]}
    database.create_collection("users", validator={"$jsonSchema": named})
    database.create_collection("contributions", validator={"$jsonSchema": owned})
    database.create_collection(
        "token_rewards", validator={"$jsonSchema": owned}, validationAction="warn"
    )
    database.users.insert_one({"_id": 1, "name": "Ada"})
    database.contributions.insert_one({**CONTRIBUTION})
    database.token_rewards.insert_one({**REWARD})
    options = {each["name"]: each["options"] for each in database.list_collections()}

    report = run(database)

    now = {each["name"]: each["options"] for each in database.list_collections()}
    assert (now["users"], now["contributions"]) == (options["users"], options["contributions"])
    assert now["token_rewards"]["validationAction"] == "error"
    assert [line for line in report.conflicts if "validator" in line] == [
        "token_rewards: its validator is recorded and replaced; a rollback restores it"
    ]
    assert report.remaining == run(database).steps == []
    rollback(database, quiet, NOW)
    now = {each["name"]: each["options"] for each in database.list_collections()}
    assert {name: now[name] for name in options} == options


# --- indexes -----------------------------------------------------------------------------------


def test_a_replaced_index_comes_back_on_rollback(database: Mongo) -> None:
    database.users.create_index("wallet_address")
    database.users.create_index([("reputation_score", -1)], unique=True, sparse=True, name="rank")
    database.weekly_distributions.create_index("week_start", name="by_week")
    database.weekly_distributions.insert_one(
        {"_id": 1, "week_start": EARLIER, "status": "completed"}
    )

    round_trip(database)


def test_the_wiki_is_never_without_its_index(
    database: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.users.create_index("wallet_address", name="theirs")

    def refuse(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the server broke down")

    monkeypatch.setattr("worker.adapters.mongo.schema.indexes._create", refuse)
    with pytest.raises(RuntimeError):
        run(database)
    assert "theirs" in database.users.index_information()


def test_a_server_with_one_index_for_the_same_keys_swaps_them(
    database: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers before 5.0. If the new one cannot be built, the old one comes back."""
    from pymongo.errors import OperationFailure

    from worker.adapters.mongo.schema import indexes

    database.users.create_index("wallet_address", name="theirs")
    create = indexes._create
    broken = True

    def old_server(target: Mongo, collection: str, document: Any) -> None:
        if document.get("unique") and "theirs" in target[collection].index_information():
            raise OperationFailure("same keys", 85)
        if document.get("unique") and broken:
            raise OperationFailure("disk full", 14031)
        create(target, collection, document)

    monkeypatch.setattr(indexes, "_create", old_server)
    monkeypatch.setattr("worker.adapters.mongo.schema.migrations._RACE_PAUSE_SECONDS", 0)
    with pytest.raises(OperationFailure, match="disk full"):
        run(database)
    assert "theirs" in database.users.index_information()

    broken = False
    assert run(database).remaining == []
    assert "theirs" not in database.users.index_information()
    rollback(database, quiet, NOW)
    assert "theirs" in database.users.index_information()


def test_indexes_of_the_wikis_that_serve_stay_after_a_rollback(database: Mongo) -> None:
    database.users.create_index("wallet_address", unique=True, sparse=True, name="wallets")
    database.users.create_index([("total_points", -1)])
    database.contributions.create_index([("created_at", -1)], name="newest")
    database.contributions.insert_one({**CONTRIBUTION})

    round_trip(database)


# --- rollback ----------------------------------------------------------------------------------


def test_fields_that_some_documents_had_stay_in_these_documents_alone(database: Mongo) -> None:
    database.users.insert_many(
        [
            {"_id": "a", "wallet_address": "w", "reputation_score": 1.2, "total_points": 1500},
            {"_id": "b", "total_points": None},
            {"_id": "c"},
        ]
    )
    database.articles.insert_many([{"_id": 1, "demand_score": 1.5}, {"_id": 2}])

    round_trip(database)


def test_wallets_that_gave_way_come_back(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": "same"} for i in range(3)])
    database.users.insert_many([{"_id": 10, "wallet_address": None}])
    database.users.insert_many([{"_id": 11 + i, "wallet_address": ""} for i in range(2)])

    round_trip(database)


def test_a_wallet_that_a_user_linked_since_stays(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": "same"} for i in range(2)])
    run(database)
    database.users.update_one({"_id": 1}, {"$set": {"wallet_address": "new"}})

    rollback(database, quiet, NOW)

    assert [u.get("wallet_address") for u in database.users.find().sort("_id", 1)] == [
        "same",
        "new",
    ]
    assert database.users.count_documents({"wallet_address_conflict": {"$exists": True}}) == 0


def test_second_distributions_come_back(database: Mongo) -> None:
    rows = [("a", "pending"), ("b", "completed")]
    database.weekly_distributions.insert_many(
        [{"_id": i, "week_start": EARLIER, "status": status} for i, status in rows]
    )

    round_trip(database)


def test_a_configuration_of_the_wikis_keeps_its_keys_alone(database: Mongo) -> None:
    database.system_config.insert_many(
        [{"_id": "token_system", "weekly_pool": 7.0}, {"_id": "theme", "dark": True}]
    )

    round_trip(database)


@pytest.mark.parametrize("change", [{"weekly_pool": 12000.0}, {"a_key_of_the_wikis": 1}])
def test_settings_that_somebody_changed_stay(database: Mongo, change: dict[str, Any]) -> None:
    run(database)
    database.system_config.update_one({"_id": "token_system"}, {"$set": change})

    rollback(database, quiet, NOW)

    (stored,) = database.system_config.find()
    assert change.items() <= stored.items()


def test_collections_that_were_there_stay_with_their_documents(database: Mongo) -> None:
    """Also after a paid week: what the week added goes, what the wiki had stays."""
    database.users.insert_one({"_id": ObjectId(HEX), "wallet_address": "w"})
    database.contributions.insert_one({**CONTRIBUTION})
    database.token_rewards.insert_many([{**REWARD, "_id": i} for i in range(3)])
    database.weekly_distributions.insert_one(
        {"_id": "w", "week_start": EARLIER, "status": "completed", "total_tokens": 10000.0}
    )
    database.staking_records.insert_one({"user_id": "ada", "amount": 10.0, "status": "active"})
    database.governance_proposals.insert_one({"title": "t", "status": "passed"})
    before = everything(database)
    run(database)
    write_plan(MongoStore(database), 3)
    freeze(MongoStore(database))
    staked = {"$set": {"amount_base_units": Int64(10), "number": 1}}
    database.staking_records.update_one({}, staked, bypass_document_validation=True)
    assert database.token_rewards.count_documents({}) == 6

    planned = plan_rollback(database)
    report = rollback(database, quiet, NOW, force=True)

    assert list(report.steps) == planned
    assert "remove our 3 documents from token_rewards" in planned
    assert everything(database) == before


def test_a_distribution_of_the_wikis_that_was_paid_stays_in_the_owners_shape(
    database: Mongo,
) -> None:
    database.weekly_distributions.insert_one(
        {"_id": "w", "week_start": MONDAY, "status": "pending"}
    )
    run(database)
    ours = {"stage": "completed", "plan_id": "p", "status": "completed", "header": b"{}"}
    database.weekly_distributions.update_one({}, {"$set": ours}, bypass_document_validation=True)

    rollback(database, quiet, NOW)

    assert list(database.weekly_distributions.find()) == [
        {"_id": "w", "week_start": MONDAY, "status": "completed"}
    ]


def test_a_rollback_that_was_cut_off_ends_the_same(database: Mongo) -> None:
    database.users.insert_many(
        [{"_id": 1, "wallet_address": "w", "total_points": 5}, {"_id": 2, "wallet_address": "w"}]
    )
    database.users.create_index("reputation_score", name="theirs")
    database.contributions.insert_one({**CONTRIBUTION})
    before = everything(database)
    run(database)
    lines: list[str] = []
    rollback(database, lines.append, NOW)
    for cut in range(1, len(lines)):
        run(database)
        rest = cut

        def kill(line: str) -> None:
            nonlocal rest
            rest -= 1
            if rest == 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rollback(database, kill, NOW)
        rollback(database, quiet, NOW)
        assert everything(database) == before


def test_without_a_record_everything_stays_that_could_be_the_wikis(database: Mongo) -> None:
    """A database that an earlier version migrated."""
    database.users.insert_one({"_id": 1, "wallet_address": "w", "total_points": 5})
    database.contributions.insert_one({**CONTRIBUTION})
    database.token_rewards.insert_one({**REWARD, "_id": 1})
    run(database)
    database.system_config.delete_one({"_id": "before_migration"})
    assert run(database).steps == []
    write_plan(MongoStore(database), 2)

    planned = plan_rollback(database)
    rollback(database, quiet, NOW, force=True)

    assert "keep every field, index and collection" in planned[0]
    (user,) = database.users.find()
    assert {"wallet_address": "w", "total_points": 5}.items() <= user.items()
    assert not [name for name in user if name.endswith("_base_units")]
    assert not [name for name in user if name.startswith("opening_")]
    assert database.contributions.count_documents({}) == 1
    assert [each["_id"] for each in database.token_rewards.find()] == [1]
    assert "payout_batches" not in database.list_collection_names()
    assert database.system_config.count_documents({"_id": "schema"}) == 0


# --- several at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(3))
def test_three_migrations_at_once_end_like_one(
    database: Mongo, mongo_uri: str, attempt: int
) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": f"w{i % 40}"} for i in range(400)])
    database.users.insert_many([{"_id": 1000 + i, "wallet_address": None} for i in range(40)])
    database.users.create_index("wallet_address")
    database.articles.insert_many([{"_id": i, "demand_score": 2.0} for i in range(9)])
    database.weekly_distributions.insert_many(
        [{"_id": i, "week_start": EARLIER, "status": "completed"} for i in range(4)]
    )
    database.contributions.insert_one({"_id": 1, "donor": "Ada"})
    before = everything(database)
    start, failures = threading.Barrier(3), []

    def one() -> None:
        mine = connect(mongo_uri, database.name)
        start.wait()
        try:
            migrate(mine, quiet, NOW, ["contributions"])
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            mine.client.close()

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert verify(database) == []
    assert database.users.count_documents({"wallet_address": {"$exists": True}}) == 40
    assert database.users.count_documents({"wallet_address_conflict": {"$exists": True}}) == 360
    assert database.weekly_distributions.count_documents({}) == 1
    assert database.contributions_before_kontrib.count_documents({}) == 1
    assert set(database.list_collection_names()) >= {spec.name for spec in COLLECTIONS}
    rollback(database, quiet, NOW)
    assert everything(database) == before


def test_a_migration_that_begins_during_the_look_of_another_ends_like_it(
    database: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.contributions.insert_one({"_id": 1, "donor": "Ada"})
    looks: list[object] = []

    def overtaken(_: Mongo) -> None:
        monkeypatch.undo()
        looks.append(migrate(database, quiet, NOW, ["contributions"]))

    monkeypatch.setattr("worker.adapters.mongo.schema.look.recorded_origin", overtaken)
    migrate(database, quiet, NOW, ["contributions"])
    assert len(looks) == 1
    assert verify(database) == []
    assert database.contributions_before_kontrib.count_documents({}) == 1


# --- users with one id -------------------------------------------------------------------------


def test_users_whose_ids_are_one_are_named(database: Mongo) -> None:
    database.users.insert_many(
        [
            {"_id": ObjectId(HEX)},
            {"_id": HEX},
            {"_id": HEX.upper()},
            {"_id": "b" * 24},
            {"_id": "Bb" * 12},
            {"_id": "c" * 24},
            {"_id": "Ada"},
            {"_id": "ada"},
        ]
    )

    warnings = run(database).warnings

    assert len(warnings) == 2
    assert any(f"3 documents are user {HEX} " in line for line in warnings)
    assert any(f"2 documents are user {'b' * 24} ('{'Bb' * 12}'" in line for line in warnings)


def test_a_contribution_that_the_wikis_validator_refuses_is_an_error_that_says_so(
    database: Mongo,
) -> None:
    """A field that the wiki requires is none of ours, so migration takes the validator."""
    schema = {"bsonType": "object", "required": ["revision"]}
    database.create_collection("contributions", validator={"$jsonSchema": schema})
    assert run(database).remaining == []
    made = Contribution(
        id="c",
        user_id="ada",
        article_id="a",
        type="creation",
        base_points=100,
        multipliers={},
        total_points=100,
        description="",
        metadata={},
        created_at=NOW,
        updated_at=NOW,
        given_points=None,
    )

    stored = MongoIngestStore(database).add_contributions([made])
    assert not stored.added
    assert list(stored.refused) == ["c"]
    with pytest.raises(DocumentRefused, match="A validator or a unique index of the wiki"):
        MongoContributions(database).record(made, "key")
    assert database.contributions.count_documents({}) == 0
