"""Migration and rollback of every kind of database that an operator may have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.store_worlds import WEEK, freeze, write_plan
from tests.fakes.documents import object_id
from worker.adapters.mongo import base
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.differences import Kind, VersionUnreadable
from worker.adapters.mongo.schema.look import NewerSchema
from worker.adapters.mongo.schema.migrations import (
    MigrationReport,
    StillDuplicates,
    migrate,
    plan_migration,
    verify,
)
from worker.adapters.mongo.schema.obstacles import CannotTake
from worker.adapters.mongo.schema.rollback import StillOwed, WeekStillOpen, plan_rollback, rollback
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.schema.spec import COLLECTIONS, SCHEMA_VERSION
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.payout.records import Settlement

pytestmark = pytest.mark.real

NOW = datetime(2024, 12, 1, tzinfo=UTC)
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    """An empty database."""
    database = connect(mongo_uri, f"kontrib_migrations_{os.getpid()}")
    database.client.drop_database(database.name)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def run(database: Mongo) -> MigrationReport:
    return migrate(database, lambda line: None, NOW)


def everything(database: Mongo) -> dict[str, list[Any]]:
    """Every document and index of a database."""
    return {
        name: [list(database[name].find().sort("_id", 1)), list(database[name].list_indexes())]
        for name in sorted(database.list_collection_names())
    }


def indexes_on(database: Mongo, collection: str, field: str) -> list[dict[str, Any]]:
    """Every index on one field alone."""
    found = map(dict, database[collection].list_indexes())
    return [each for each in found if list(each["key"]) == [field]]


# --- the way there -----------------------------------------------------------------------------


def test_an_empty_database_is_brought_to_the_schema(database: Mongo) -> None:
    report = run(database)

    assert report.remaining == verify(database) == []
    assert (report.version_before, report.version) == (None, SCHEMA_VERSION)
    assert set(database.list_collection_names()) == {spec.name for spec in COLLECTIONS}
    config = database.system_config.find_one({"_id": "token_system"})
    assert config == CONFIG | {"updated_at": NOW}


def test_a_second_migration_has_nothing_to_do(database: Mongo) -> None:
    run(database)
    before = everything(database)

    assert plan_migration(database) == []
    report = run(database)

    assert (report.steps, report.conflicts, report.documents_updated) == ([], [], 0)
    assert everything(database) == before


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": "same"} for i in range(3)])
    before = everything(database)

    steps = plan_migration(database)

    assert everything(database) == before
    texts = [step.description for step in steps]
    assert "create collection token_rewards" in texts
    assert "record schema version 1" in texts
    assert any("1 wallets of several users" in text for text in texts)
    assert steps == run(database).steps


def test_data_that_is_there_stays_as_it_is(database: Mongo) -> None:
    user = {
        "_id": ObjectId(),
        "name": "Ada",
        "wallet_address": "w1",
        "reputation_score": None,
        "total_points": 1500,
        "governance_power": "odd",
    }
    database.users.insert_one(user)
    database.articles.insert_one({"_id": 1, "demand_score": 2.5, "token_metadata": {"own": 1}})
    database.system_config.insert_one({"_id": "token_system", "weekly_pool": 7.0, "extra": True})

    run(database)

    found = database.users.find_one()
    assert found is not None
    assert {name: found[name] for name in user} == user
    assert (found["total_contributions"], found["last_reward_claim"]) == (0, None)
    article = database.articles.find_one()
    assert article is not None
    assert (article["demand_score"], article["token_metadata"]) == (2.5, {"own": 1})
    assert article["quality_score"] == 1.0
    config = database.system_config.find_one({"_id": "token_system"})
    assert config == CONFIG | {"weekly_pool": 7.0, "extra": True}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("has_config", [True, False])
def test_a_wiki_with_reputation_scores_of_its_own_gets_no_steps(
    database: Mongo, before: bool, has_config: bool
) -> None:
    if before:
        database.users.insert_one({"_id": "ada", "reputation_score": 1.2})
    database.users.insert_one({"_id": "bob"})
    if has_config:
        database.system_config.insert_one({"_id": "token_system", "weekly_pool": 7.0})

    planned = [step.description for step in plan_migration(database)]
    report = run(database)
    again = run(database)

    config = database.system_config.find_one({"_id": "token_system"})
    assert config is not None
    assert config["reputation_steps"] == ([] if before else CONFIG["reputation_steps"])
    assert len(report.choices) == before
    assert [line in planned for line in report.choices] == [True] * before
    assert again.choices == []


def test_many_users_get_their_fields_in_chunks(
    database: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "CHUNK_DOCUMENTS", 100)
    database.users.insert_many([{"_id": i if i % 2 else f"u{i}"} for i in range(950)])

    report = run(database)

    assert report.documents_updated == 950
    assert database.users.count_documents({"reputation_score": 1.0, "total_points": 0}) == 950


def test_old_and_odd_documents_can_still_be_written(database: Mongo) -> None:
    run(database)
    database.contributions.insert_one({"total_points": "many", "created_at": "yesterday"})
    database.users.insert_one({"wallet_address": 42, "total_points": "odd"})
    database.articles.insert_one({"demand_score": []})

    assert database.contributions.count_documents({}) == 1


class Killed(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("steps", [1, 5, 12, 20, 35, 48])
def test_a_killed_migration_goes_on_where_it_stopped(database: Mongo, steps: int) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": "same"} for i in range(3)])
    database.weekly_distributions.insert_many(
        [{"_id": i, "week_start": MONDAY, "status": "pending"} for i in range(2)]
    )
    lines = 0

    def kill(line: str) -> None:
        nonlocal lines
        lines += 1
        if lines == steps:
            raise Killed

    with pytest.raises(Killed):
        migrate(database, kill, NOW)
    report = run(database)

    assert report.remaining == []
    assert database.users.count_documents({"wallet_address": "same"}) == 1
    assert database.users.count_documents({"wallet_address_conflict": "same"}) == 2
    assert database.weekly_distributions.count_documents({}) == 1
    assert database.weekly_distributions_conflicts.count_documents({}) == 1


# --- indexes -----------------------------------------------------------------------------------


def test_a_plain_index_where_a_unique_one_belongs_is_replaced(database: Mongo) -> None:
    database.users.create_index("wallet_address")
    database.weekly_distributions.create_index("week_start", name="by_week")

    run(database)

    (wallet,) = indexes_on(database, "users", "wallet_address")
    assert wallet["unique"]
    assert wallet["sparse"]
    weeks = database.weekly_distributions.index_information()
    assert weeks["week_start_1"]["unique"]
    assert "by_week" not in weeks


def test_an_index_under_another_name_serves_as_well(database: Mongo) -> None:
    database.users.create_index("wallet_address", unique=True, sparse=True, name="wallets")
    database.users.create_index([("total_points", -1)], name="points")
    database.contributions.create_index([("created_at", -1)], name="newest")

    report = run(database)

    assert report.remaining == []
    assert {"wallets", "points"} <= set(database.users.index_information())
    assert "wallet_address_1" not in database.users.index_information()
    assert "created_at_-1" not in database.contributions.index_information()


def test_other_indexes_of_the_wiki_are_left_alone(database: Mongo) -> None:
    database.users.create_index("email", unique=True)

    run(database)

    assert database.users.index_information()["email_1"]["unique"]


def test_the_oldest_account_keeps_a_wallet_and_each_conflict_is_named(database: Mongo) -> None:
    old, new = object_id(NOW, 1), object_id(NOW + timedelta(days=1), 2)
    database.users.insert_many(
        [
            {"_id": new, "wallet_address": "w"},
            {"_id": old, "wallet_address": "w"},
            {"_id": "text", "wallet_address": "w"},
            {"_id": "dated", "wallet_address": "w", "created_at": NOW - timedelta(days=9)},
            {"_id": "alone", "wallet_address": "other"},
        ]
    )

    report = run(database)

    keeper = database.users.find_one({"wallet_address": "w"})
    assert keeper is not None
    assert keeper["_id"] == "dated"
    moved = database.users.find({"wallet_address_conflict": "w"})
    assert {user["_id"] for user in moved} == {old, new, "text"}
    assert len(report.conflicts) == 3
    assert all("older account dated" in line for line in report.conflicts)


def test_users_without_a_wallet_do_not_collide(database: Mongo) -> None:
    database.users.insert_many([{"_id": i, "wallet_address": None} for i in range(3)])
    database.users.insert_many([{"_id": 9 + i, "wallet_address": ""} for i in range(2)])

    report = run(database)

    assert database.users.count_documents({"wallet_address": {"$exists": True}}) == 0
    assert report.conflicts == ["users: removed the null or empty wallet_address of 5 users"]


def test_of_two_distributions_of_a_week_the_one_that_came_further_stays(database: Mongo) -> None:
    rows = [("pending", None), ("completed", None), ("completed", "sig"), ("failed", None)]
    database.weekly_distributions.insert_many(
        [
            {"_id": i, "week_start": MONDAY, "status": status, "distribution_tx_hash": signature}
            for i, (status, signature) in enumerate(rows)
        ]
    )

    report = run(database)

    kept = list(database.weekly_distributions.find())
    assert [document["_id"] for document in kept] == [2]
    assert database.weekly_distributions_conflicts.count_documents({}) == 3
    assert len(report.conflicts) == 3


def test_duplicates_written_while_it_runs_are_resolved_too(database: Mongo) -> None:
    database.users.insert_one({"_id": 0, "wallet_address": "w"})

    def busy_wiki(line: str) -> None:
        if line.startswith("create index users.wallet_address"):
            database.users.insert_one({"_id": 1, "wallet_address": "w"})

    report = migrate(database, busy_wiki, NOW)

    assert len(report.conflicts) == 1
    # The new user lacks the added fields, and the report lists this.
    assert {difference.area for difference in report.remaining} == {Kind.FIELD}
    assert run(database).remaining == []


def test_what_cannot_be_resolved_is_an_error_that_says_so(database: Mongo) -> None:
    rows = [{"plan_id": "p", "id": "same", "kind": "batch", "index": i} for i in range(2)]
    database.payout_batches.insert_many(rows)
    before = everything(database)

    with pytest.raises(CannotTake, match="payout_batches"):
        run(database)
    assert everything(database) == before


def test_what_is_written_again_and_again_is_an_error_that_says_so(database: Mongo) -> None:
    def busy_wiki(line: str) -> None:
        if line.startswith("create index payout_batches"):
            rows = [{"plan_id": "p", "id": "same", "kind": "batch", "index": i} for i in range(2)]
            database.payout_batches.insert_many(rows, bypass_document_validation=True)

    with pytest.raises(StillDuplicates, match="payout_batches"):
        migrate(database, busy_wiki, NOW)


def test_rewards_from_before_do_not_collide(database: Mongo) -> None:
    old = [{"user_id": "u", "week_start": MONDAY, "status": "completed"} for _ in range(3)]
    database.token_rewards.insert_many(old)

    assert run(database).remaining == []
    assert database.token_rewards.count_documents({}) == 3


# --- verification ------------------------------------------------------------------------------


def test_every_kind_of_difference_is_found(database: Mongo) -> None:
    run(database)
    database.users.drop_index("total_points_-1")
    database.governance_proposals.drop()
    database.command("collMod", "token_rewards", validator={}, validationLevel="off")
    database.users.insert_many([{"_id": "new"}, {"_id": "counted", "staked_tokens": 5}])
    database.system_config.update_one({"_id": "token_system"}, {"$unset": {"min_points": ""}})
    database.system_config.delete_one({"_id": "schema"})

    found = verify(database)

    assert {difference.area for difference in found} == set(Kind) - {Kind.DUPLICATES}
    fields = [d for d in found if d.area is Kind.FIELD]
    assert {d.subject for d in fields} == {f"users.{name}" for name in COLLECTIONS[0].added_fields}
    assert "users.total_points_-1: missing" in " ".join(map(str, found))
    assert run(database).remaining == []


def test_a_newer_database_is_left_alone(database: Mongo) -> None:
    database.system_config.insert_one({"_id": "schema", "version": SCHEMA_VERSION + 1})
    before = everything(database)

    with pytest.raises(NewerSchema, match=str(SCHEMA_VERSION + 1)):
        run(database)
    with pytest.raises(NewerSchema):
        plan_migration(database)
    assert everything(database) == before


@pytest.mark.parametrize("schema", [{}, {"version": "two"}, {"version": None}, {"version": 1.5}])
def test_a_version_that_is_no_number_is_named(database: Mongo, schema: dict[str, Any]) -> None:
    database.system_config.insert_one({"_id": "schema", **schema})
    before = everything(database)

    for look in (run, plan_migration, verify):
        with pytest.raises(VersionUnreadable, match=r"system_config\.schema\.version is"):
            look(database)
    assert everything(database) == before


# --- rollback ----------------------------------------------------------------------------------


def test_a_rollback_leaves_the_wiki_as_it_was(database: Mongo) -> None:
    users = [{"_id": i, "name": f"user {i}"} for i in range(10)]
    database.users.insert_many(users)
    database.users.create_index("name")
    database.articles.insert_one({"_id": 1, "title": "t"})
    before = everything(database)
    run(database)
    MongoStore(database).pause("for the test")
    MongoStore(database).mark_accounts_made([("1", "a wallet")], NOW)
    planned = plan_rollback(database)
    report = rollback(database, lambda line: None, NOW)

    assert list(report.steps) == planned
    assert report.documents_updated == 11
    assert everything(database) == before


def test_a_rollback_can_be_run_again(database: Mongo) -> None:
    run(database)
    rollback(database, lambda line: None, NOW)

    assert rollback(database, lambda line: None, NOW).documents_updated == 0
    assert run(database).remaining == []


def test_a_rollback_refuses_while_rewards_are_owed(database: Mongo) -> None:
    run(database)
    store = MongoStore(database)
    write_plan(store, 3)
    freeze(store)

    with pytest.raises(StillOwed, match="1 payout of 6 KONTRIB still owed"):
        rollback(database, lambda line: None, NOW)
    assert store.outstanding()[1] == 1

    for payout in store.payouts_after("plan", "", 9):
        store.settle([Settlement(payout, PayoutStatus.PAID, "s", 1, None, True)], NOW)
    with pytest.raises(WeekStillOpen, match="2024-W50"):
        rollback(database, lambda line: None, NOW)
    assert store.advance(WEEK, "plan", Stage.PREPARED, Stage.COMPLETED)
    rollback(database, lambda line: None, NOW)
    assert "token_rewards" not in database.list_collection_names()


def test_a_rollback_refuses_while_a_week_that_is_over_has_no_plan(database: Mongo) -> None:
    run(database)
    store = MongoStore(database)
    rollback_at = WEEK.end + timedelta(minutes=1)
    store.record_first_week(WEEK.previous())
    store.ensure_distribution(WEEK.previous(), NOW)
    done = {"$set": {"stage": "completed", "status": "completed"}}
    database.weekly_distributions.update_one({}, done)

    with pytest.raises(WeekStillOpen, match=rf"^{WEEK.label} is open"):
        rollback(database, lambda line: None, rollback_at)
    assert "contributions" in database.list_collection_names()

    before_its_end = WEEK.end - timedelta(minutes=1)
    rollback(database, lambda line: None, before_its_end)
    assert "contributions" not in database.list_collection_names()


def test_a_rollback_that_was_cut_off_is_not_refused_for_the_weeks_that_it_dropped(
    database: Mongo,
) -> None:
    run(database)
    store = MongoStore(database)
    store.record_first_week(WEEK)
    store.ensure_distribution(WEEK, NOW)
    database.weekly_distributions.update_one({}, {"$set": {"stage": "completed"}})

    def cut_off(line: str) -> None:
        if line.startswith("removing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollback(database, cut_off, WEEK.end + timedelta(days=1))
    assert "weekly_distributions" not in database.list_collection_names()

    rollback(database, lambda line: None, WEEK.end + timedelta(days=1))
    assert database.system_config.count_documents({"_id": {"$ne": "token_system"}}) == 0


def test_a_week_in_the_archive_is_not_open(database: Mongo) -> None:
    run(database)
    store = MongoStore(database)
    store.record_first_week(WEEK)
    store.ensure_distribution(WEEK, NOW)
    week = database.weekly_distributions.find_one_and_delete({})
    assert week is not None
    database.weekly_distributions_archive.insert_one(week, bypass_document_validation=True)

    rollback(database, lambda line: None, WEEK.end + timedelta(days=1))
    assert "contributions" not in database.list_collection_names()


def test_a_rollback_can_be_forced(database: Mongo) -> None:
    run(database)
    write_plan(MongoStore(database), 3, held=1)
    freeze(MongoStore(database))

    rollback(database, lambda line: None, NOW, force=True)

    assert "payout_batches" not in database.list_collection_names()
