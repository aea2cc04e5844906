"""A rollback removes what migration added. What the wiki wrote since then stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId

from tests.contracts.paid_weeks import pay_week
from tests.contracts.store_worlds import WEEK, freeze, write_plan
from tests.contracts.wiki.owner_documents import USER, owner_documents
from tests.contracts.wiki.test_owner_documents import wiki_of
from worker.adapters.mongo import names
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.migrations import migrate, plan_migration
from worker.adapters.mongo.schema.rollback import RollbackReport, plan_rollback, rollback
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.services.wiki.contribute import Request, contribute
from worker.services.wiki.recount import recount_all

pytestmark = pytest.mark.real

NOW = datetime(2025, 1, 1, tzinfo=UTC)
OWNERS = ("contributions", "token_rewards", "weekly_distributions", "staking_records")
OWNERS += ("governance_proposals",)
RETURNING = (names.SYSTEM_CONFIG, names.WEEKLY_DISTRIBUTIONS_ARCHIVE)
"""The archive's documents return to the distributions. Settings stay."""


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    """An empty database."""
    database = connect(mongo_uri, f"kontrib_rollback_{os.getpid()}")
    database.client.drop_database(database.name)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def quiet(line: str) -> None:
    del line


def run(database: Mongo) -> list[str]:
    """Migrate, and return the warnings."""
    report = migrate(database, quiet, NOW)
    assert report.remaining == []
    return report.warnings


def back(database: Mongo) -> RollbackReport:
    planned = plan_rollback(database)
    report = rollback(database, quiet, NOW, force=True)
    assert list(report.steps) == planned
    return report


def insert_owners(database: Mongo) -> dict[str, Any]:
    documents = owner_documents()
    del documents["system_config"]
    for name, document in documents.items():
        database[name].insert_one(dict(document))
    return documents


def stored(database: Mongo) -> dict[str, Any]:
    listed = sorted(set(database.list_collection_names()) - {names.SYSTEM_CONFIG})
    return {name: database[name].find_one({}) for name in listed}


# --- documents that the wiki inserted after the migration ---------------------------------------


def test_the_owners_documents_stay_as_they_were_inserted(database: Mongo) -> None:
    run(database)
    documents = insert_owners(database)

    report = back(database)

    assert stored(database) == documents
    for name in OWNERS:
        assert f"keep collection {name}: 1 of its documents are the wiki's" in report.steps
        indexes = database[name].index_information()
        assert list(indexes) == ["_id_"]
        options = database[name].options()
        assert not options.get("validator")


def test_they_stay_after_a_paid_week_and_a_recount(database: Mongo) -> None:
    run(database)
    documents = insert_owners(database)
    wiki = wiki_of(database)
    wiki.store.record_first_week(WEEK.next())
    pay_week(wiki.store, {USER: 100 * ONE_TOKEN}, week=WEEK.next())
    recount_all(wiki)

    back(database)

    found = stored(database)
    counted = ("total_tokens_earned", "staked_tokens", "governance_power", "last_reward_claim")
    for name, document in documents.items():
        assert set(found[name]) == set(document)
        same = [field for field in document if name != "users" or field not in counted]
        assert {field: found[name][field] for field in same} == {f: document[f] for f in same}
    assert found["users"]["total_tokens_earned"] == 350.75


def test_a_collection_with_documents_of_ours_alone_goes(database: Mongo) -> None:
    run(database)
    write_plan(MongoStore(database), 3)
    freeze(MongoStore(database))
    database.users.insert_one({"_id": 1})

    back(database)

    assert list(stored(database)) == ["users"]


@pytest.mark.parametrize("name", [s.name for s in COLLECTIONS if s.name not in RETURNING])
def test_a_document_of_any_kind_keeps_its_collection(database: Mongo, name: str) -> None:
    run(database)
    document = {"_id": 1, "user_id": "ada", "reason": "r", "notes": "n", "attempts": 3}
    database[name].insert_one(dict(document), bypass_document_validation=True)
    write_plan(MongoStore(database), 3)

    back(database)

    assert stored(database) == {name: document}


def test_what_people_recorded_here_stays(database: Mongo) -> None:
    run(database)
    database.users.insert_one({"_id": ObjectId(USER)})
    database.articles.insert_one({"_id": "a"})
    contribute(wiki_of(database), Request(USER, "a", "review", key="k"))

    back(database)

    contribution = database.contributions.find_one({}) or {}
    assert (contribution["user_id"], contribution["type"]) == (USER, "review")
    assert "idempotency_key" not in contribution


def test_a_collection_of_another_meaning_keeps_its_new_name_if_the_old_one_is_in_use(
    database: Mongo,
) -> None:
    database.contributions.insert_one({"_id": 1, "donor": "Ada"})
    migrate(database, quiet, NOW, ["contributions"])
    contribution = owner_documents()["contributions"]
    database.contributions.insert_one(dict(contribution))

    report = back(database)

    kept = {
        "contributions": contribution,
        "contributions_before_kontrib": {"_id": 1, "donor": "Ada"},
    }
    assert stored(database) == kept
    assert any(s.startswith("keep collection contributions_before_kontrib") for s in report.steps)


# --- fields -------------------------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [{}, {"total_points": 7}])
def test_fields_that_the_wiki_wrote_after_the_migration_stay(
    database: Mongo, earlier: dict[str, Any]
) -> None:
    database.users.insert_one({"_id": "old", **earlier})
    database.articles.insert_one({"_id": "old"})
    run(database)
    new = {"_id": "new", "total_points": 5, "reputation_score": 1.3, "staked_tokens": 2.5}
    database.users.insert_one(dict(new))
    database.articles.insert_one({"_id": "new", "quality_score": 1.0})
    run(database)  # adds what is missing
    own = {"wallet_address": "w", "reputation_score": 1.2}
    database.users.update_one({"_id": "old"}, {"$set": own})
    database.articles.update_one({"_id": "old"}, {"$set": {"demand_score": 2.0}})

    back(database)

    users = list(database.users.find().sort("_id", -1))
    assert users == [{"_id": "old", **earlier, **own}, new]
    articles = list(database.articles.find().sort("_id", -1))
    assert articles == [{"_id": "old", "demand_score": 2.0}, {"_id": "new", "quality_score": 1.0}]


def test_a_counter_that_cannot_be_read_goes_through_everything(database: Mongo) -> None:
    odd = {"_id": "ada", "total_tokens_earned": "n/a", "total_points": [5], "staked_tokens": True}
    fine = {"_id": "bob", "total_tokens_earned": "250.75", "total_points": "12"}
    database.users.insert_many([dict(odd), dict(fine)])
    database.articles.insert_one({"_id": "a", "contribution_count": "some"})

    warnings = run(database)
    result = recount_all(wiki_of(database))

    for named in (
        "user ada: total_tokens_earned is 'n/a'",
        "user ada: total_points is [5]",
        "user ada: staked_tokens is True",
        "article a: contribution_count is 'some'",
    ):
        assert any(line.startswith(named) for line in warnings)
    assert len(warnings) == len(result.unreadable) == 4
    assert (database.users.find_one({"_id": "ada"}) or {}).items() >= odd.items()
    bob = database.users.find_one({"_id": "bob"}) or {}
    assert (bob["total_tokens_earned"], bob["total_points"]) == (250.75, 12)
    assert plan_migration(database) == []
    back(database)
    assert database.users.find_one({"_id": "ada"}) == odd
    assert database.users.find_one({"_id": "bob"}) == fine | {
        "total_tokens_earned": 250.75,
        "total_points": 12,
    }


def test_more_unreadable_counters_than_anybody_reads_are_counted(database: Mongo) -> None:
    database.users.insert_many([{"_id": str(i), "total_points": "n/a"} for i in range(25)])

    warnings = run(database)

    assert len(warnings) == 21
    assert warnings[-1] == "5 more unreadable counters"


# --- distributions that were moved or taken over ------------------------------------------------


def paid_distribution(database: Mongo, **fields: Any) -> dict[str, Any]:
    """A distribution that the wiki inserted after the migration."""
    document = owner_documents()["weekly_distributions"] | fields
    database.weekly_distributions.insert_one(dict(document), bypass_document_validation=True)
    return document


def test_an_odd_distribution_that_a_later_migration_moved_comes_back(database: Mongo) -> None:
    run(database)
    odd = paid_distribution(database, week_start=datetime(2024, 12, 10, tzinfo=UTC))
    run(database)
    assert database.weekly_distributions.count_documents({}) == 0

    back(database)

    assert stored(database) == {"weekly_distributions": odd}


def test_an_archived_distribution_of_the_wikis_comes_back(database: Mongo) -> None:
    run(database)
    document = paid_distribution(database)
    MongoRetention(database).archive_week(WEEK)

    back(database)

    assert stored(database) == {"weekly_distributions": document}


@pytest.mark.parametrize("archived", [True, False])
@pytest.mark.parametrize("planned_again", [True, False])
def test_a_distribution_that_was_taken_over_stays_in_the_owners_shape(
    database: Mongo, archived: bool, planned_again: bool
) -> None:
    run(database)
    document = paid_distribution(database, status="pending")
    store = MongoStore(database)
    store.ensure_distribution(WEEK, NOW)
    if planned_again:
        store.reset_week(WEEK, NOW)
    pay_week(store, {USER: ONE_TOKEN})
    store.advance(WEEK, f"plan of {WEEK.id}", Stage.PREPARED, Stage.COMPLETED, completed_at=NOW)
    if archived:
        MongoRetention(database).archive_week(WEEK)

    back(database)

    (kept,) = database.weekly_distributions.find()
    assert set(kept) == set(document)
    assert (kept["_id"], kept["status"], kept["total_tokens"]) == (document["_id"], "completed", 1)
    assert list(stored(database)) == ["weekly_distributions"]


def test_stakes_lose_only_what_was_added_to_them(database: Mongo) -> None:
    run(database)
    wikis = {"_id": 1, "user_id": "ada", "amount": 5.0, "number": 7, "transfer_key": "theirs"}
    database.staking_records.insert_one(dict(wikis), bypass_document_validation=True)
    counted = {"_id": 2, "user_id": "bob", "amount": 5.0}
    added = {"amount_base_units": Int64(5), "accrued_through": NOW, "unstaked_at": None}
    database.staking_records.insert_one(counted | added, bypass_document_validation=True)

    back(database)

    assert list(database.staking_records.find().sort("_id", 1)) == [wikis, counted]
