"""The owner's own documents through migration, a paid week, a recount, a check and a rollback.

`EXPECTED` lists every field that changes. Every other field of the eight documents keeps its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from tests.contracts.paid_weeks import pay_week
from tests.contracts.store_worlds import NOW, WEEK
from tests.contracts.wiki.owner_documents import (
    ARTICLE,
    COUNTERS,
    USER,
    WALLET,
    Document,
    moment,
    owner_documents,
)
from tests.contracts.wiki.wiki_worlds import ManualClock
from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.ledger import FakeLedger
from tests.fakes.wiki.staking import FakeTransfers
from tests.fakes.world import FakeClock, MemoryArchive
from worker.adapters.mongo import names
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.check.reporting import MongoReporting
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.duplicates import NotDistributedElsewhere, set_week_aside
from worker.adapters.mongo.schema.migrations import MigrationReport, migrate, verify
from worker.adapters.mongo.schema.rollback import rollback
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.dashboard import MongoViews
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.reward_counters import MongoCounters
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.core.lifecycle import Stage, Status
from worker.core.money import ONE_TOKEN
from worker.services.check.everything import check_all
from worker.services.context import Context, Limits
from worker.services.plan.genesis import make_genesis
from worker.services.report.week import week_report
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.status import board
from worker.services.wiki.contribute import Request, contribute
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import keep_stakes
from worker.services.wiki_context import WikiContext

pytestmark = pytest.mark.real

DATABASE = "kontrib_owner_documents"
PAID = 100 * ONE_TOKEN
NEXT = WEEK.next()
MOMENT = NEXT.end + timedelta(hours=1)
DAY = NEXT.start + timedelta(days=1)
EXPECTED: dict[str, Document] = {
    "users": {
        "total_contributions": 16,
        "total_points": 1680,  # 100 x 1.2 x 1.5 more
        "total_tokens_earned": 10_250.75,
        "staked_tokens": 1000.0,
        "governance_power": 11_250.75,
    },
    "articles": {
        "contribution_count": 9,
        "last_contribution_date": DAY,
        "total_tokens_earned": 10_045.5,
    },
}
"""What a paid week and a recount change, and the value that it must have."""
CLAIM = ("last_reward_claim", "token_updated_at")
"""Fields of the user that must have the time of the payment."""


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    database = connect(mongo_uri, DATABASE)
    database.client.drop_database(DATABASE)
    yield database
    database.client.drop_database(DATABASE)
    database.client.close()


def run_migration(database: Mongo) -> MigrationReport:
    return migrate(database, lambda line: None, MOMENT)


def insert(database: Mongo, documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        database[name].replace_one({"_id": document["_id"]}, dict(document), upsert=True)


def wiki_of(database: Mongo, now: datetime = MOMENT) -> WikiContext:
    return WikiContext(
        store=MongoStore(database),
        contributions=MongoContributions(database),
        counters=MongoCounters(database),
        staking=MongoStaking(database),
        governance=MongoGovernance(database),
        clock=ManualClock(now),
        transfers=FakeTransfers(),
    )


Prepare = Callable[[Mongo], None]


def before_migration(database: Mongo) -> None:
    insert(database, owner_documents())
    assert run_migration(database).remaining == []


def after_migration(database: Mongo) -> None:
    run_migration(database)
    insert(database, owner_documents())


both_ways = pytest.mark.parametrize("prepare", [before_migration, after_migration])


def changed_fields(database: Mongo) -> dict[str, Document]:
    """Fields of the owner's documents that do not have the owner's value any more."""
    found: dict[str, Document] = {}
    for name, document in owner_documents().items():
        stored = database[name].find_one({"_id": document["_id"]}) or {}
        changed = {k: stored.get(k) for k, value in document.items() if stored.get(k) != value}
        if changed:
            found[name] = changed
    return found


# --- the whole way -----------------------------------------------------------------------------


def as_numbers(number: Callable[[Any], Any], value: Any) -> Any:
    """The value with every number that the type can hold in this type."""
    if isinstance(value, dict):
        return {name: as_numbers(number, each) for name, each in value.items()}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if is_number and number(value) == value else value


@pytest.mark.parametrize("number", [int, Int64, float])
@pytest.mark.parametrize("is_before", [True, False])
def test_every_field_keeps_its_value_or_has_the_one_that_is_due(
    database: Mongo, is_before: bool, number: Callable[[Any], Any]
) -> None:
    documents = {name: as_numbers(number, each) for name, each in owner_documents().items()}
    if is_before:
        insert(database, documents)
    assert run_migration(database).remaining == []
    if not is_before:
        insert(database, documents)
    assert changed_fields(database) == {}

    paid_at = pay_a_week(database)
    wiki = wiki_of(database)
    recount_all(wiki)

    expected = {**EXPECTED, "users": EXPECTED["users"] | dict.fromkeys(CLAIM, paid_at)}
    assert changed_fields(database) == expected
    exact = database.users.find_one({}) or {}
    assert exact["total_tokens_earned_base_units"] == 10_250_750_000_000
    assert exact["opening_total_tokens_earned_base_units"] == 165_250_000_000
    keep_governance(wiki)
    keep_stakes(wiki)  # its interest is less than the 15.5 that the wiki gave, which stay
    expected |= {"staking_records": {"updated_at": MOMENT}}
    check_all(wiki, MongoCheckStore(database), None)
    assert changed_fields(database) == expected

    rollback(database, lambda line: None, MOMENT, force=True)
    assert changed_fields(database) == expected
    for name, document in owner_documents().items():
        if name != "system_config":
            stored = database[name].find_one({"_id": document["_id"]}) or {}
            assert set(stored) == set(document), name


def pay_a_week(database: Mongo) -> datetime:
    """Plan and pay the first week after the owner's with a contribution of the owner's user.

    Returns the time of the payment's block.
    """
    ledger = FakeLedger()
    chain = FakeChain(ledger, transfers_per_transaction=3)
    context = Context(
        store=MongoStore(database),
        chain=chain,
        archive=MemoryArchive(),
        clock=FakeClock(MOMENT, ledger),
        limits=Limits(batches_per_task=100, batches_in_flight=8),
    )
    chain.fund(tokens=10**15, lamports=10**12)
    contribute(wiki_of(database, DAY), Request(USER, ARTICLE, "creation"))
    make_genesis(context, NEXT)
    while work := find_work(context):
        for each in work:
            do_work(context, each, seconds=600)
    assert ledger.balance(WALLET) == 10_000 * ONE_TOKEN
    (paid,) = ledger.payments()
    return ledger.time_of(paid.slot)


@both_ways
@pytest.mark.parametrize("recounted", [True, False])
def test_a_score_of_the_wikis_counts_whatever_ran_before(
    database: Mongo, prepare: Prepare, recounted: bool
) -> None:
    prepare(database)
    wiki = wiki_of(database)
    if recounted:
        recount_all(wiki)

    recorded = contribute(wiki, Request(USER, ARTICLE, "creation"))
    recount_all(wiki)

    assert recorded.contribution.total_points == 180  # 100 x 1.2 x 1.5
    assert (database.users.find_one({}) or {})["reputation_score"] == 1.2


def test_a_first_recount_by_the_stakes_task_names_what_it_replaces(database: Mongo) -> None:
    before_migration(database)

    kept = keep_stakes(wiki_of(database))

    assert any("staked_tokens was 100, is now" in line for line in kept.recount.change_lines())
    assert "balances of the wiki's own replaced" in kept.sentence()


def test_migration_derives_exact_twins_and_opening_balances(database: Mongo) -> None:
    before_migration(database)

    user, article = database.users.find_one({}) or {}, database.articles.find_one({}) or {}
    assert user["total_tokens_earned_base_units"] == 250_750_000_000
    assert user["staked_tokens_base_units"] == 100 * ONE_TOKEN
    assert user["governance_power_base_units"] == 200 * ONE_TOKEN
    assert user["opening_total_contributions"] == 14
    assert user["opening_total_points"] == 960
    assert article["total_tokens_earned_base_units"] == 45_500_000_000
    assert article["opening_total_tokens_earned_base_units"] == 45_500_000_000
    assert article["opening_contribution_count"] == 7
    assert verify(database) == []


@pytest.mark.parametrize("number", [int, Int64, float, lambda x: Decimal128(str(x))])
@pytest.mark.parametrize("status", list(Status))
def test_every_number_type_and_every_status_is_accepted(
    database: Mongo, number: Callable[[Any], Any], status: Status
) -> None:
    run_migration(database)
    documents = owner_documents()
    reward = documents["token_rewards"] | {"token_amount": number(85), "status": status.value}
    distribution = documents["weekly_distributions"] | {
        "total_points": number(12500),
        "total_tokens": number(10000),
        "user_count": number(45),
        "status": status.value,
    }
    insert(database, {"token_rewards": reward, "weekly_distributions": distribution})

    tokens = MongoCounters(database).user_tokens([USER])[USER]
    assert tokens.earned == (85 * ONE_TOKEN if status is Status.COMPLETED else 0)
    (shown,) = MongoViews(database).rewards_page(USER, None, 5)
    assert (shown.amount, shown.status) == (85 * ONE_TOKEN, status.value)
    found = MongoStore(database).distribution(WEEK)
    assert found is not None
    is_historic = status in (Status.COMPLETED, Status.PROCESSING)
    assert (found.historic is not None) is is_historic


# --- counters ----------------------------------------------------------------------------------


def test_what_comes_later_is_added_to_what_the_wiki_had(database: Mongo) -> None:
    after_migration(database)
    wiki = wiki_of(database)

    contribute(wiki, Request(USER, ARTICLE, "minor_edit"))

    user, article = database.users.find_one({}) or {}, database.articles.find_one({}) or {}
    assert user["total_contributions"] == 16
    assert user["total_points"] > 1500
    assert article["contribution_count"] == 9
    assert article["last_contribution_date"] == MOMENT


@both_ways
def test_counting_again_changes_nothing(database: Mongo, prepare: Prepare) -> None:
    prepare(database)
    wiki = wiki_of(database)
    first = recount_all(wiki)
    before = list(database.users.find()), list(database.articles.find())

    again = recount_all(wiki)

    assert (again.corrected, again.changed) == (0, 0)
    assert (list(database.users.find()), list(database.articles.find())) == before
    assert {(c.field, c.before, c.after) for c in first.changes} == {
        ("staked_tokens", 100 * ONE_TOKEN, 1000 * ONE_TOKEN),
        ("governance_power", 200 * ONE_TOKEN, 1_250_750_000_000),
    }


def test_a_recount_that_died_after_the_opening_balance_goes_on(database: Mongo) -> None:
    after_migration(database)
    MongoCounters(database).open_counters([USER], [ARTICLE])
    assert MongoCounters(database).open_counters([USER], [ARTICLE]) == 0

    recount_all(wiki_of(database))

    user = database.users.find_one({}) or {}
    kept = ("total_contributions", "total_points", "total_tokens_earned")
    assert {name: user[name] for name in kept} == {name: COUNTERS[name] for name in kept}


def test_two_recounts_at_once_derive_one_balance(database: Mongo) -> None:
    after_migration(database)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: recount_all(wiki_of(database)), range(2)))

    user, article = database.users.find_one({}) or {}, database.articles.find_one({}) or {}
    assert (user["total_tokens_earned"], user["total_contributions"]) == (250.75, 15)
    assert (article["total_tokens_earned"], article["contribution_count"]) == (45.5, 8)


@both_ways
def test_a_user_sees_the_earnings_of_before(database: Mongo, prepare: Prepare) -> None:
    prepare(database)

    shown = MongoViews(database).shown_user(USER)

    assert shown is not None
    assert (shown.earned, shown.staked) == (250_750_000_000, 100 * ONE_TOKEN)
    assert (shown.contributions, shown.points) == (15, 1500)


def test_an_amount_that_cannot_be_read_is_named(database: Mongo) -> None:
    after_migration(database)
    database.token_rewards.insert_one(
        owner_documents()["token_rewards"] | {"_id": ObjectId(), "token_amount": "85.5 KONTRIB"},
        bypass_document_validation=True,
    )

    report = check_all(wiki_of(database), MongoCheckStore(database), None)

    assert any("token_amount is '85.5 KONTRIB'" in str(finding) for finding in report.findings)


@pytest.mark.parametrize("odd_id", [7, "507F1f77bcf86cd799439033"])
def test_a_document_that_nothing_counts_for_is_left_alone(database: Mongo, odd_id: object) -> None:
    document = {"_id": odd_id, "total_points": 5, "total_tokens_earned": 3.5}
    database.users.insert_one(document)

    assert run_migration(database).remaining == []

    assert (database.users.find_one({}) or {}).items() >= document.items()
    assert "opening_total_points" not in (database.users.find_one({}) or {})


def test_opening_balances_are_listed_by_the_check(database: Mongo) -> None:
    before_migration(database)

    notes = check_all(wiki_of(database), MongoCheckStore(database), None).notes

    assert any(f"user {USER}, opening balance" in note for note in notes)
    assert any(f"article {ARTICLE}, opening balance" in note for note in notes)


# --- rewards -----------------------------------------------------------------------------------


@both_ways
def test_a_completed_reward_of_another_system_is_shown(database: Mongo, prepare: Prepare) -> None:
    prepare(database)
    start, end = moment("2024-01-01T00:00:00"), moment("2025-01-01T00:00:00")

    (paid,) = MongoReporting(database).paid_between(start, end, USER)

    assert paid.reward.row.amount == 85_500_000_000
    assert paid.paid_at == moment("2024-12-16T00:05:30")
    assert paid.reward.signature == owner_documents()["token_rewards"]["transaction_signature"]


# --- distributions -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "processing"])
def test_a_week_of_another_system_shows_its_own_figures(database: Mongo, status: str) -> None:
    before_migration(database)
    database.weekly_distributions.update_one({}, {"$set": {"status": status}})
    wiki = wiki_of(database)

    shown = board(wiki.store, WEEK)
    report = week_report(
        wiki, MongoReporting(database), WEEK, cluster=None, costs=None, name_field="username"
    )

    assert (shown.contributors, shown.points, shown.planned) == (45, 12500, 10_000 * ONE_TOKEN)
    assert (shown.status.value, shown.is_historic) == (status, True)
    assert report.board == shown
    assert report.ratio == Fraction(4, 5)
    assert [reward.row.amount for reward in report.top] == [85_500_000_000]


def test_a_week_of_another_system_stops_a_week_that_is_due(database: Mongo) -> None:
    before_migration(database)
    wiki = wiki_of(database)
    found = wiki.store.distribution(WEEK)
    assert found is not None
    assert (found.stage, found.stopped) == (Stage.COMPLETED, False)

    wiki.store.record_first_week(WEEK)

    found = wiki.store.distribution(WEEK)
    assert found is not None
    assert (found.stage, found.stopped) == (Stage.DUE, True)
    assert "kontrib migrate set-aside 2024-W50" in (found.reason or "")
    wiki.store.requeue(WEEK)
    wiki.store.record_notes(WEEK, seen=1)
    assert not wiki.store.approve(WEEK, bytes(32))
    assert changed_fields(database) == {}
    assert "attempts" not in (database.weekly_distributions.find_one({}) or {})


def test_a_document_of_another_system_hides_no_archived_week(database: Mongo) -> None:
    run_migration(database)
    store, retention = MongoStore(database), MongoRetention(database)
    pay_week(store, {USER: PAID})
    store.advance(WEEK, f"plan of {WEEK.id}", Stage.PREPARED, Stage.COMPLETED, completed_at=NOW)
    retention.archive_week(WEEK)
    database.weekly_distributions.insert_one(owner_documents()["weekly_distributions"])

    retention.archive_week(WEEK)

    found = store.distribution(WEEK)
    assert found is not None
    assert (found.plan_id, found.archived) == (f"plan of {WEEK.id}", True)
    assert store.distributions() == []


def test_an_archived_week_of_another_system_comes_back(database: Mongo) -> None:
    before_migration(database)
    retention = MongoRetention(database)
    retention.archive_week(WEEK)
    assert list(database.weekly_distributions.find()) == []

    rollback(database, lambda line: None, MOMENT, force=True)

    assert list(database.weekly_distributions.find()) == [owner_documents()["weekly_distributions"]]


@pytest.mark.parametrize("status", ["completed", "pending", "failed"])
def test_a_week_that_is_set_aside_is_planned_and_comes_back(database: Mongo, status: str) -> None:
    before_migration(database)
    database.weekly_distributions.update_one({}, {"$set": {"status": status}})
    store = MongoStore(database)
    store.record_first_week(WEEK)

    assert store.ensure_distribution(WEEK, MOMENT).historic is not None

    assert set_week_aside(database, WEEK, "nobody was paid", MOMENT) == 1

    assert store.ensure_distribution(WEEK, MOMENT).historic is None
    (kept,) = database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS].find()
    assert kept["kontrib_set_aside"] == {"at": MOMENT, "reason": "nobody was paid"}
    with pytest.raises(NotDistributedElsewhere):
        set_week_aside(database, WEEK, "again", MOMENT)
    rollback(database, lambda line: None, MOMENT, force=True)
    owners = owner_documents()["weekly_distributions"] | {"status": status}
    assert list(database.weekly_distributions.find()) == [owners]


def test_a_week_of_rewards_alone_is_planned_once_a_person_decides_so(database: Mongo) -> None:
    before_migration(database)
    database.weekly_distributions.delete_many({})
    store = MongoStore(database)
    store.record_first_week(WEEK)
    assert store.ensure_distribution(WEEK, MOMENT).historic is not None
    assert database.weekly_distributions.count_documents({}) == 0

    assert set_week_aside(database, WEEK, "a trial", MOMENT) == 1

    assert store.distribution(WEEK) is None
    assert store.ensure_distribution(WEEK, MOMENT).historic is None
    (kept,) = database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS].find()
    decision = {"at": MOMENT, "reason": "a trial", "rewards_only": True}
    assert (kept["week_start"], kept["kontrib_set_aside"]) == (WEEK.start, decision)
    with pytest.raises(NotDistributedElsewhere):
        set_week_aside(database, WEEK, "again", MOMENT)
    rollback(database, lambda line: None, MOMENT, force=True)
    assert list(database.weekly_distributions.find()) == []
    assert names.WEEKLY_DISTRIBUTIONS_CONFLICTS not in database.list_collection_names()


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_week_that_another_system_left_undone_becomes_ours(database: Mongo, status: str) -> None:
    run_migration(database)
    insert(
        database,
        {"weekly_distributions": owner_documents()["weekly_distributions"] | {"status": status}},
    )
    store = MongoStore(database)
    assert store.ensure_distribution(WEEK, MOMENT).stage is Stage.DUE

    pay_week(store, {USER: PAID})

    found = store.distribution(WEEK)
    assert found is not None
    assert found.plan_id == f"plan of {WEEK.id}"


@pytest.mark.parametrize(
    "start", [moment("2024-12-10T00:00:00"), moment("2024-12-09T00:00:01"), "2024-12-09", None]
)
def test_a_week_that_begins_at_no_monday_is_named_and_set_aside(
    database: Mongo, start: object
) -> None:
    run_migration(database)
    odd = owner_documents()["weekly_distributions"] | {"week_start": start}
    database.weekly_distributions.insert_one(odd, bypass_document_validation=True)
    wiki = wiki_of(database)
    wiki.store.record_first_week(WEEK)

    assert wiki.store.distributions() == []
    assert wiki.store.ensure_distribution(WEEK, MOMENT).historic is None
    report = check_all(wiki, MongoCheckStore(database), None)
    assert any("no Monday 00:00 UTC" in str(finding) for finding in report.findings)

    assert any("no Monday" in line for line in run_migration(database).conflicts)
    assert verify(database) == []
    assert list(database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS].find()) == [odd]
