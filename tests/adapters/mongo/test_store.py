"""Tests of the real store alone: documents, refusals of the server, and crashes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from pymongo import ReadPreference
from pymongo.errors import WriteError

from tests.contracts.store_worlds import (
    LATER,
    NOW,
    RULES,
    SALT,
    WEEK,
    MongoStoreWorld,
    make_attempt,
    make_payouts,
    make_reward,
    make_rewards,
    write_plan,
)
from tests.fakes.documents import contribution_document, object_id
from worker.adapters.mongo.base import SumNotInteger, integer_sum
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.payout.sums.week_sum import PointsNotExact
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.identity import user_commitment
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import Lamports
from worker.core.payout.records import Payout, Settlement, UserPoints
from worker.core.plan.counted_contributions import PointsWindow

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def migrated(mongo_uri: str) -> Iterator[Mongo]:
    database = connect(mongo_uri, f"kontrib_store_{os.getpid()}")
    database.client.drop_database(database.name)
    migrate(database, lambda line: None, datetime(2024, 12, 1, tzinfo=UTC))
    yield database
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def database(migrated: Mongo) -> Mongo:
    MongoStoreWorld(migrated)  # empties it
    return migrated


@pytest.fixture
def store(database: Mongo) -> MongoStore:
    return MongoStore(database)


def paid(payout: Payout) -> Settlement:
    return Settlement(payout, PayoutStatus.PAID, "sig", 77, Lamports(5000), True)


def claim_all(store: MongoStore) -> list[Payout]:
    return store.claim("plan", range(10_000), 10_000, now=NOW, until=LATER)


# --- documents ---------------------------------------------------------------------------------


def test_a_reward_has_the_owners_fields(store: MongoStore, database: Mongo) -> None:
    reward = make_reward(3, multiplier=1_300_000)
    store.write_rewards([reward], WEEK, NOW)

    document = database.token_rewards.find_one()
    week = database.weekly_distributions.find_one()
    assert document is not None
    assert week is not None
    owners = {
        "user_id": "user-00003",
        "weekly_distribution_id": str(week["_id"]),
        "week_start": WEEK.start,
        "week_end": WEEK.end,
        "total_points": 40,
        "token_amount": 4.0,
        "staking_multiplier": 1.3,
        "transaction_signature": None,
        "status": "pending",
        "claimed_at": None,
        "created_at": NOW,
    }
    assert {name: document[name] for name in owners} == owners
    assert isinstance(document["amount_base_units"], Int64)
    assert document["user_commitment"] == user_commitment(SALT, "user-00003").hex()


def test_a_paid_reward_is_claimed_at_its_first_settlement(
    store: MongoStore, database: Mongo
) -> None:
    write_plan(store, 1)
    (payout,) = claim_all(store)
    store.settle([paid(payout)], NOW)
    store.settle([paid(payout)], LATER)

    document = database.token_rewards.find_one()
    assert document is not None
    assert (document["status"], document["claimed_at"]) == ("completed", NOW)
    assert (document["transaction_signature"], document["slot"]) == ("sig", 77)


def test_earlier_signatures_are_kept_up_to_a_bound(store: MongoStore, database: Mongo) -> None:
    write_plan(store, 1)
    (payout,) = claim_all(store)
    for number in range(25):
        store.record_attempts([(payout, make_attempt(f"sig-{number}"))])

    document = database.payout_batches.find_one({"kind": "batch"})
    assert document is not None
    assert document["signatures"] == [f"sig-{number}" for number in range(5, 25)]


def test_a_distribution_that_was_there_before_is_read_by_its_status(
    store: MongoStore, database: Mongo
) -> None:
    for week, status in ((WEEK, "completed"), (WEEK.next(), "processing")):
        database.weekly_distributions.insert_one(
            {"week_start": week.start, "status": status, "distribution_tx_hash": "old"},
            bypass_document_validation=True,
        )

    stages = [(d.stage, d.signature) for d in store.distributions()]

    assert stages == [(Stage.COMPLETED, "old"), (Stage.COMPLETED, "old")]


def test_rewards_from_before_this_system_are_never_removed(
    store: MongoStore, database: Mongo
) -> None:
    write_plan(store, 3)
    week = database.weekly_distributions.find_one()
    assert week is not None
    old = {"weekly_distribution_id": str(week["_id"]), "week_start": WEEK.start, "status": "old"}
    database.token_rewards.insert_one(dict(old), bypass_document_validation=True)
    store.write_rewards(make_rewards(2, plan_id="crashed"), WEEK, NOW)

    store.discard_other_plans(WEEK, "plan")
    assert database.token_rewards.count_documents({}) == 4
    store.discard_other_plans(WEEK, "plan", lost_too=True)
    assert database.token_rewards.count_documents({}) == 4
    store.reset_week(WEEK, NOW)
    assert database.token_rewards.count_documents({}) == 4


def test_what_belonged_to_a_distribution_that_was_lost_is_found_by_its_week(
    store: MongoStore, database: Mongo
) -> None:
    write_plan(store, 3, plan_id="lost")
    database.weekly_distributions.delete_many({})
    write_plan(store, 3)

    store.discard_other_plans(WEEK, "plan")
    assert {d["plan_id"] for d in database.token_rewards.find()} == {"lost", "plan"}
    store.discard_other_plans(WEEK, "plan", lost_too=True)
    assert {d["plan_id"] for d in database.token_rewards.find()} == {"plan"}
    assert {d["plan_id"] for d in database.payout_batches.find()} == {"plan"}


# --- refusals of the server --------------------------------------------------------------------

TAMPERINGS: list[dict[str, Any]] = [
    {"amount_base_units": 1.5},
    {"amount_base_units": 5},
    {"amount_base_units": "5"},
    {"amount_base_units": Int64(-1)},
    {"weight": 2.0},
    {"status": "paid"},
    {"user_commitment": "ab"},
    {"route": "elsewhere"},
]


@pytest.mark.parametrize("change", TAMPERINGS, ids=str)
def test_money_that_is_no_long_is_refused_whoever_writes_it(
    store: MongoStore, database: Mongo, change: dict[str, Any]
) -> None:
    store.write_rewards([make_reward(0)], WEEK, NOW)

    with pytest.raises(WriteError, match="validation"):
        database.token_rewards.update_one({}, {"$set": change})

    assert store.rewards("plan", range(1)) == [make_reward(0)]


def test_a_distributions_total_is_a_long(store: MongoStore, database: Mongo) -> None:
    write_plan(store, 3)

    with pytest.raises(WriteError, match="validation"):
        database.weekly_distributions.update_one({}, {"$set": {"total_amount_base_units": 1.0}})


def test_a_sum_that_overflows_is_never_used(store: MongoStore) -> None:
    huge = make_reward(0)
    row = replace(huge.row, amount=2**63 - 1)  # type: ignore[arg-type]
    other = replace(make_reward(1).row, amount=2**63 - 1)  # type: ignore[arg-type]
    store.write_rewards([replace(huge, row=row), replace(make_reward(1), row=other)], WEEK, NOW)

    with pytest.raises(SumNotInteger):
        store.progress("plan")


@pytest.mark.parametrize("found", [1.0, "1", None, True])
def test_only_integers_are_sums(found: object) -> None:
    with pytest.raises(SumNotInteger):
        integer_sum("amounts", found)


def test_points_beyond_what_a_double_holds_are_an_error(database: Mongo, store: MongoStore) -> None:
    rules = replace(RULES, points=replace(RULES.points, base_points={"creation": 2**53}))
    database.contributions.insert_many(
        [
            contribution_document("u", WEEK.start, points=float(2**53), number=1),
            contribution_document("u", WEEK.start, points=1, number=2),
        ]
    )
    window = PointsWindow(WEEK, NOW, None, WEEK.start)

    with pytest.raises(PointsNotExact, match="user u"):
        list(store.week_points(window, rules).users)


def before_aggregation(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch, number: int, change: Callable[[], object]
) -> list[object]:
    """Change something before the aggregation of this number; returns all aggregations so far."""
    aggregate, begun = store.contributions.aggregate, []

    def changed_before(*stages: Any, **options: Any) -> Any:
        begun.append(stages)
        if len(begun) == number:
            change()
        return aggregate(*stages, **options)

    contributions = Mock(wraps=store.contributions, spec=["aggregate"])
    contributions.aggregate.side_effect = changed_before
    monkeypatch.setattr(store, "contributions", contributions)
    return begun


@pytest.mark.parametrize(
    "changed",
    [{"total_points": -1}, {"total_points": 10**9}, {"total_points": 0.5}, {"user_id": 7}],
)
def test_a_contribution_that_becomes_impossible_before_the_sum_does_not_count(
    database: Mongo, store: MongoStore, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    contributions = database.contributions
    contributions.insert_one(contribution_document("u", WEEK.start, points=10, number=1))
    before_aggregation(
        store, monkeypatch, 1, lambda: contributions.update_many({}, {"$set": changed})
    )

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES)

    assert list(found.users) == []
    assert (found.seen, found.malformed_count) == (1, 1)


def test_a_contribution_that_is_recorded_while_the_week_is_added_up_waits_for_the_next_plan(
    database: Mongo, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    contributions = database.contributions
    contributions.insert_one(contribution_document("u", WEEK.start, points=10, number=1))
    late = contribution_document("u", WEEK.start, points=20, recorded_at=NOW, number=2)
    before_aggregation(
        store,
        monkeypatch,
        1,
        lambda: contributions.replace_one({"_id": late["_id"]}, late, upsert=True),
    )

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES)

    assert list(found.users) == [UserPoints("u", 10, 0)]
    assert (found.seen, found.after_cutoff) == (2, 1)


@pytest.mark.parametrize("form", [str, ObjectId])
def test_a_usual_week_is_one_aggregation(
    database: Mongo, store: MongoStore, monkeypatch: pytest.MonkeyPatch, form: Callable[[str], Any]
) -> None:
    user, other = form("aa" * 12), form("bb" * 12)
    for number, (user_id, points) in enumerate(
        [(user, 10), (other, Int64(5)), (user, 3), (user, -1), (user, "many")]
    ):
        database.contributions.insert_one(
            contribution_document(user_id, WEEK.start, points=points, number=number)
        )
    begun = before_aggregation(store, monkeypatch, 0, lambda: None)

    found = store.week_points(PointsWindow(WEEK, NOW, WEEK.start, WEEK.back(4).start), RULES, 10)

    assert sorted(each.points for each in found.users) == [5, 13]
    assert (found.counted, found.malformed_count) == (3, 2)
    assert len(begun) == 1


@pytest.mark.parametrize("other", [ObjectId("aa" * 12), "AA" * 12])
def test_a_user_with_two_ids_needs_a_second_aggregation(
    database: Mongo, store: MongoStore, monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    for number, user_id in enumerate(["aa" * 12, other]):
        database.contributions.insert_one(
            contribution_document(user_id, WEEK.start, points=10, number=number)
        )
    begun = before_aggregation(store, monkeypatch, 0, lambda: None)

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES)

    assert list(found.users) == [UserPoints("aa" * 12, 20, 0)]
    assert len(begun) == 2


def test_many_users_are_all_there(database: Mongo, store: MongoStore) -> None:
    late = {"created_at": WEEK.start - timedelta(days=1)}
    documents = [
        contribution_document(f"user {i}", WEEK.start, points=i % 100) for i in range(2500)
    ]
    documents += [
        contribution_document(f"user {i}", WEEK.start, points=7) | late for i in range(2490, 2510)
    ]
    database.contributions.insert_many(
        document | {"_id": object_id(WEEK.start, number)}
        for number, document in enumerate(documents)
    )

    found = store.week_points(PointsWindow(WEEK, NOW, WEEK.start, WEEK.back(4).start), RULES)

    users = {each.user_id: (each.points, each.late_points) for each in found.users}
    assert users == {
        f"user {i}": (i % 100 * (i < 2500) + 7 * (i >= 2490), 7 * (i >= 2490)) for i in range(2510)
    }
    assert found.counted == 2520


def test_doubles_are_added_up_exactly_by_a_second_aggregation_alone(
    database: Mongo, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    contributions = database.contributions
    contributions.insert_one(contribution_document("a", WEEK.start, points=10, number=1))
    contributions.insert_one(contribution_document("b", WEEK.start, points=7.0, number=2))
    moved = {"$set": {"user_id": "b"}}
    begun = before_aggregation(
        store, monkeypatch, 2, lambda: contributions.update_one({"user_id": "a"}, moved)
    )

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES)

    assert list(found.users) == [UserPoints("b", 17, 0)]
    assert len(begun) == 2


def test_a_date_before_the_first_year_stops_nobody(database: Mongo, store: MongoStore) -> None:
    contributions = database.contributions
    contributions.insert_one(contribution_document("u", WEEK.start, points=10, number=1))
    ancient = contribution_document("u", WEEK.start, points=10, number=2)
    contributions.insert_one(ancient | {"created_at": DatetimeMS(-62_135_600_400_000)})

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES, 10)

    assert list(found.users) == [UserPoints("u", 10, 0)]
    assert [each.reason for each in found.malformed] == ["created_at is not a date"]


def test_an_old_week_is_counted_as_it_was_planned(database: Mongo, store: MongoStore) -> None:
    contributions = database.contributions
    contributions.insert_one(contribution_document("u", WEEK.start, points=10, number=1))
    for days, number in ((0, 2), (20, 3)):
        recorded_at = NOW + timedelta(days=days)
        contributions.insert_one(
            contribution_document("u", WEEK.start, recorded_at=recorded_at, number=number)
        )

    found = store.week_points(PointsWindow(WEEK, NOW, None, WEEK.start), RULES)

    assert list(found.users) == [UserPoints("u", 10, 0)]


@pytest.mark.parametrize("option", ["", "?readPreference=secondaryPreferred"])
def test_everything_is_read_where_it_is_written(option: str) -> None:
    database = connect(f"mongodb://localhost:1/wiki{option}")

    assert database.contributions.read_preference == ReadPreference.PRIMARY


# --- several at once ---------------------------------------------------------------------------


def in_threads(count: int, work: Any) -> list[Any]:
    """Run the same thing in threads that begin together."""
    barrier, results = threading.Barrier(count), []

    def body(number: int) -> None:
        barrier.wait()
        results.append(work(number))

    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_no_payout_is_leased_to_two_workers(store: MongoStore) -> None:
    write_plan(store, 90)  # 30 batches

    def work(number: int) -> list[str]:
        mine = []
        while claimed := store.claim("plan", range(100), 4, now=NOW, until=LATER):
            mine += [payout.id for payout in claimed]
        return mine

    claimed = [payout_id for mine in in_threads(4, work) for payout_id in mine]

    assert len(claimed) == len(set(claimed))
    remaining = {p.id for p in claim_all(store)}
    assert len(remaining) + len(claimed) == 30
    assert not remaining & set(claimed)


def test_a_week_is_made_once_by_many(store: MongoStore, database: Mongo) -> None:
    made = in_threads(6, lambda number: store.ensure_distribution(WEEK, NOW))

    assert len(made) == 6
    assert len(set(made)) == 1
    assert database.weekly_distributions.count_documents({}) == 1


def test_of_many_workers_one_advances_a_week(store: MongoStore) -> None:
    write_plan(store, 3)

    moved = in_threads(6, lambda number: store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED))

    assert sorted(moved) == [False] * 5 + [True]


# --- crashes between two writes ----------------------------------------------------------------


class Killed(BaseException):
    """The process ended here."""


class DiesBeforePayouts(MongoStore):
    """Ends the process just before a write to the payouts."""

    def __init__(self, database: Mongo) -> None:
        super().__init__(database)
        self.payout_batches = Dying(self.payout_batches)  # type: ignore[assignment]


class Dying:
    """A readable collection whose first bulk write never happens."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def bulk_write(self, *arguments: Any, **options: Any) -> None:
        raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


@pytest.mark.parametrize("status", [PayoutStatus.PAID, PayoutStatus.VOID])
def test_a_settlement_that_was_cut_in_half_is_completed_by_the_next(
    database: Mongo, store: MongoStore, status: PayoutStatus
) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    settlement = Settlement(payout, status, "sig", 1, None, True)
    with pytest.raises(Killed):
        DiesBeforePayouts(database).settle([settlement], NOW)

    assert [p.id for p in store.claim("plan", range(9), 9, now=LATER, until=LATER)] == [payout.id]
    store.settle([settlement], LATER)

    found = store.payout("plan", payout.id)
    assert found is not None
    assert found.status is status
    expected = Status.COMPLETED if status is PayoutStatus.PAID else Status.PENDING
    assert {r.status for r in store.rewards("plan", range(9))} == {expected}


def test_what_is_owed_is_never_understated_between_two_writes(
    database: Mongo, store: MongoStore
) -> None:
    write_plan(store, 3)
    store.advance(WEEK, "plan", Stage.PLANNED, Stage.ANCHORED)
    owed = store.outstanding()[0]
    (payout,) = claim_all(store)
    with pytest.raises(Killed):
        DiesBeforePayouts(database).settle(
            [Settlement(payout, PayoutStatus.VOID, "sig", 1, None, True)], NOW
        )

    assert store.outstanding()[0] >= owed


# --- sizes -------------------------------------------------------------------------------------


def test_a_plan_larger_than_one_insert_is_written_and_read_in_order(store: MongoStore) -> None:
    rewards = make_rewards(11_000, held=200)
    store.write_rewards(rewards, WEEK, NOW)
    payouts = make_payouts(rewards)
    store.write_payouts(payouts, [b"r"] * len(payouts))

    assert list(store.rows("plan", range(20_000))) == [reward.row for reward in rewards]
    assert len(store.batch_roots("plan")) == 3667
    assert store.progress("plan").held.count == 200


def test_a_users_contributions_are_found_by_an_index(database: Mongo) -> None:
    later = WEEK.start + timedelta(hours=1)
    documents = [contribution_document(f"u{i % 500}", later, number=i) for i in range(5000)]
    database.contributions.insert_many(documents)
    hint = {"user_id": 1, "created_at": -1}

    found = database.contributions.find({"user_id": "u7"}).sort("created_at", -1).hint(hint)

    assert len(list(found)) == 10
