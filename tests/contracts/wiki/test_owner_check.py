"""`kontrib check` on the owner's documents: what the wiki had before is a note, no failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import Decimal128, Int64

from tests.contracts.wiki.owner_documents import USER, Document, owner_documents
from tests.contracts.wiki.test_owner_documents import run_migration, wiki_of
from worker.adapters.mongo import names
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import Mongo, connect
from worker.core.check.report import CheckReport
from worker.core.lifecycle import Status
from worker.core.wiki.governance import ProposalStatus
from worker.core.wiki.stake_record import StakeStatus
from worker.services.check.everything import check_all
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import keep_stakes

pytestmark = pytest.mark.real

DATABASE = "kontrib_owner_check"
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "as they are": lambda number: number,
    "int": lambda number: int(number) if number == int(number) else number,
    "long": lambda number: Int64(number) if number == int(number) else number,
    "double": float,
    "decimal": lambda number: Decimal128(str(number)),
}
STATUSES = [
    *(("token_rewards", status.value) for status in Status),
    *(("weekly_distributions", status.value) for status in Status),
    *(("staking_records", status.value) for status in StakeStatus),
    *(("governance_proposals", status.value) for status in ProposalStatus),
]


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    database = connect(mongo_uri, DATABASE)
    database.client.drop_database(DATABASE)
    yield database
    database.client.drop_database(DATABASE)
    database.client.close()


def with_numbers(value: Any, number: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: with_numbers(each, number) for name, each in value.items()}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number else value


def insert(database: Mongo, documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        database[name].replace_one({"_id": document["_id"]}, document, upsert=True)


def check(database: Mongo) -> CheckReport:
    return check_all(wiki_of(database), MongoCheckStore(database), None)


def assert_clean(database: Mongo) -> CheckReport:
    report = check(database)
    assert [str(finding) for finding in report.findings] == []
    return report


def go_through(database: Mongo, documents: dict[str, Document], first: str) -> None:
    if first == "documents":
        insert(database, documents)
    assert run_migration(database).remaining == []
    insert(database, documents if first == "migration" else {})
    assert_clean(database)
    recount_all(wiki_of(database))
    assert_clean(database)
    keep_stakes(wiki_of(database))
    keep_governance(wiki_of(database))
    assert_clean(database)


@pytest.mark.parametrize("first", ["documents", "migration"])
@pytest.mark.parametrize("number", list(NUMBERS))
def test_the_owners_documents_in_every_number_type(
    database: Mongo, number: str, first: str
) -> None:
    documents = with_numbers(owner_documents(), NUMBERS[number])
    if number == "decimal":
        # Decimal128 points are no points: planning and the check name such a contribution.
        documents["contributions"] = owner_documents()["contributions"]

    go_through(database, documents, first)


def test_a_contribution_whose_points_are_a_decimal128_is_named(database: Mongo) -> None:
    points = {"total_points": Decimal128("540")}
    insert(
        database,
        {**owner_documents(), "contributions": owner_documents()["contributions"] | points},
    )
    run_migration(database)

    (finding,) = check(database).findings

    assert "points are not a number" in str(finding)


@pytest.mark.parametrize("first", ["documents", "migration"])
@pytest.mark.parametrize(("collection", "status"), STATUSES)
def test_the_owners_documents_in_every_status(
    database: Mongo, collection: str, status: str, first: str
) -> None:
    documents = owner_documents()
    documents[collection]["status"] = status

    go_through(database, documents, first)


# --- what differs is listed ----------------------------------------------------------------------


@pytest.mark.parametrize("first", ["documents", "migration"])
def test_what_the_wiki_had_is_listed_until_a_recount(database: Mongo, first: str) -> None:
    insert(database, owner_documents() if first == "documents" else {})
    run_migration(database)
    insert(database, owner_documents())

    notes = "\n".join(map(str, assert_clean(database).from_before))

    for line in (
        "staked_tokens: 100.0, expected 1000.0 from the next recount on",
        "governance_power: 200.0, expected 1250.75 from the next recount on",
        "last_reward_claim",
        "base units staked, expected more than the 250,750,000,000 that were earned",
    ):
        assert line in notes
    recount_all(wiki_of(database))
    (note,) = [n for n in assert_clean(database).from_before if n.area == "stakes"]
    assert "more than the 250,750,000,000 that were earned" in str(note)


@pytest.mark.parametrize(
    "counters",
    [
        {},
        {"total_points": 100, "total_contributions": 0},
        {"total_tokens_earned": 10.0, "staked_tokens": 0, "governance_power": None},
        {"last_reward_claim": None, "token_updated_at": None},
    ],
)
def test_counters_that_are_less_than_the_documents_are_listed(
    database: Mongo, counters: Document
) -> None:
    documents = owner_documents()
    documents["users"] = {"_id": documents["users"]["_id"], **counters}
    insert(database, documents)
    run_migration(database)

    assert f"user {USER}" in str(assert_clean(database).from_before)
    recount_all(wiki_of(database))
    assert_clean(database)


@pytest.mark.parametrize(
    ("collection", "field", "value"),
    [
        (names.USERS, "total_points", 1),
        (names.USERS, "total_tokens_earned", 1.0),
        (names.USERS, "staked_tokens", 1.0),
        (names.USERS, "governance_power_base_units", Int64(1)),
        (names.USERS, "last_reward_claim", None),
        (names.ARTICLES, "contribution_count", 1),
        (names.ARTICLES, "total_tokens_earned", 1.0),
    ],
)
def test_what_differs_after_a_recount_is_a_failure(
    database: Mongo, collection: str, field: str, value: object
) -> None:
    insert(database, owner_documents())
    run_migration(database)
    recount_all(wiki_of(database))

    database[collection].update_one({}, {"$set": {field: value}})

    (finding,) = check(database).findings
    assert field in finding.subject


def test_more_staked_than_earned_by_a_stake_of_ours_is_a_failure(database: Mongo) -> None:
    insert(database, owner_documents())
    run_migration(database)
    ours = {"amount_base_units": Int64(1000 * 10**9), "number": 1}
    database.staking_records.update_one({}, {"$set": ours}, bypass_document_validation=True)

    subjects = [str(f) for f in check(database).findings]

    assert any("expected at most the 250,750,000,000 that were earned" in s for s in subjects)
    assert any("staked_tokens: 100.0, expected 1000.0" in s for s in subjects)
