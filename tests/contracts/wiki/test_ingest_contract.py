"""Both stores add imported contributions once, and change no existing document."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.store_worlds import FakeStoreWorld, MongoStoreWorld, StoreWorld
from tests.fakes.wiki.ingest import FakeIngestStore, record
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.wiki.ingest import DocumentRefused, MongoIngestStore
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import rules_from
from worker.core.week import Week
from worker.core.wiki.contribution_file import Contribution, Occurrences, contribution_from
from worker.services.wiki.ingest import IngestStore

WEEK = Week.parse("2024-W50")
RULES = rules_from(CONFIG)
USER = "507f1f77bcf86cd799439011"


class IngestWorld:
    """A store to import into, and functions to read it."""

    def __init__(self, world: StoreWorld) -> None:
        self.world = world
        if isinstance(world, FakeStoreWorld):
            self.ingest: IngestStore = FakeIngestStore(world.fake)
        else:
            assert isinstance(world, MongoStoreWorld)
            self.ingest = MongoIngestStore(world.database)

    def contribution(self, document_id: object) -> dict[str, Any]:
        if isinstance(self.world, FakeStoreWorld):
            return self.world.fake.state.contributions[document_id]
        assert isinstance(self.world, MongoStoreWorld)
        found = self.world.database[names.CONTRIBUTIONS].find_one({"_id": document_id})
        assert found is not None
        return found

    def points(self) -> dict[str, int]:
        window = PointsWindow(WEEK, WEEK.end, None, WEEK.start)
        return {u.user_id: u.points for u in self.world.store.week_points(window, RULES).users}

    def wallet(self, user_id: str) -> object:
        return self.world.store.accounts([user_id], [])[user_id].wallet


@pytest.fixture
def world(store_world: StoreWorld) -> IngestWorld:
    return IngestWorld(store_world)


@pytest.fixture
def real_world(contract_database: Mongo) -> IngestWorld:
    return IngestWorld(MongoStoreWorld(contract_database))


def contributions(count: int, **changes: object) -> list[Contribution]:
    occurrences = Occurrences()
    return [contribution_from(record(**changes), RULES.points, occurrences) for _ in range(count)]


def test_new_contributions_are_added_once(world: IngestWorld) -> None:
    five = contributions(5)
    assert world.ingest.add_contributions(five[:3]).added == {c.id for c in five[:3]}
    assert world.ingest.add_contributions(five).added == {c.id for c in five[3:]}
    assert world.ingest.add_contributions(five).added == set()
    assert world.points() == {USER: 5 * 540}


def test_a_contribution_is_stored_as_the_schema_has_it(world: IngestWorld) -> None:
    (one,) = contributions(1)
    world.ingest.add_contributions([one])
    stored = world.contribution(ObjectId(one.id))
    assert stored == record() | {
        "_id": ObjectId(one.id),
        "base_points": 100,
        "total_points": 540,
        "created_at": one.created_at,
        "updated_at": one.created_at,
    }


def test_metadata_keeps_the_types_of_an_export(world: IngestWorld) -> None:
    (one,) = contributions(
        1,
        metadata={
            "reviewer": {"$oid": USER},
            "seen": {"$date": {"$numberLong": "1734272400000"}},
            "weight": {"$numberDecimal": "1.50"},
            "count": {"$numberLong": "7"},
            "odd": {"$binary": 5},
            "deep": [{"$oid": USER}],
        },
    )
    world.ingest.add_contributions([one])
    assert world.contribution(ObjectId(one.id))["metadata"]["count"] == 7
    (other,) = contributions(
        1,
        metadata={
            "reviewer": {"$oid": USER},
            "seen": {"$date": 1734272400000},
            "weight": {"$numberDecimal": "1.50"},
            "deep": [{"$oid": USER}],
        },
    )
    world.ingest.add_contributions([other])
    assert world.contribution(ObjectId(other.id))["metadata"] == {
        "reviewer": ObjectId(USER),
        "seen": datetime(2024, 12, 15, 14, 20, tzinfo=UTC),
        "weight": Decimal("1.50"),
        "deep": [ObjectId(USER)],
    }


@pytest.mark.parametrize("name", ["a.b", "", "$odd", "a$b", "e\u0301"])
def test_any_name_of_a_metadata_field_is_kept(world: IngestWorld, name: str) -> None:
    stored = world.ingest.add_contributions(contributions(1, _id="x", metadata={name: 1, "m": 2}))
    assert stored.added == {"x"}
    assert world.contribution("x")["metadata"] == {name: 1, "m": 2}


def test_ids_that_are_no_object_ids_are_kept(world: IngestWorld) -> None:
    assert world.ingest.add_contributions(contributions(1, _id="revision 17")).added == {
        "revision 17"
    }
    assert world.contribution("revision 17")["total_points"] == 540


def test_an_id_that_comes_twice_in_a_chunk_is_stored_as_it_came_first(world: IngestWorld) -> None:
    twice = [*contributions(1, _id="x"), *contributions(1, _id="x", type="review")]
    assert world.ingest.add_contributions(twice).added == {"x"}
    assert world.contribution("x")["type"] == "creation"


def test_what_exists_is_not_changed(world: IngestWorld) -> None:
    world.ingest.add_contributions(contributions(1, _id="x"))
    world.ingest.add_contributions(contributions(1, _id="x", type="review"))
    assert world.contribution("x")["type"] == "creation"


def test_no_contributions_are_no_work(world: IngestWorld) -> None:
    assert world.ingest.add_contributions([]).added == set()


def test_missing_users_are_added_once(world: IngestWorld) -> None:
    assert world.ingest.add_users([USER, "somebody"]) == 2
    assert world.ingest.add_users([USER, "somebody", "new"]) == 1
    assert set(world.world.store.user_ids()) == {USER, "somebody", "new"}


def test_wallets_are_given_only_to_users_who_have_none(world: IngestWorld) -> None:
    world.ingest.add_users([USER, "somebody"])
    world.world.add_user({"_id": "rich", "wallet_address": "their own"})
    given = world.ingest.give_wallets({USER: "w1", "somebody": "w2", "rich": "w3", "nobody": "w4"})
    assert given == 2
    assert (world.wallet(USER), world.wallet("rich")) == ("w1", "their own")
    assert world.ingest.give_wallets({USER: "another"}) == 0
    assert world.ingest.give_wallets({}) == 0


@pytest.mark.real
def test_what_the_wikis_own_index_or_validator_refuses_is_named(real_world: IngestWorld) -> None:
    database = real_world.world.database  # type: ignore[attr-defined]
    database[names.CONTRIBUTIONS].create_index("metadata.rev", unique=True, name="rev_1")
    try:
        three = [contributions(1, _id=f"id {n}", metadata={"rev": n % 2})[0] for n in range(3)]
        stored = real_world.ingest.add_contributions(three)
    finally:
        database[names.CONTRIBUTIONS].drop_index("rev_1")
    assert stored.added == {"id 0", "id 1"}
    assert list(stored.refused) == ["id 2"]
    assert "rev_1" in stored.refused["id 2"]


@pytest.mark.real
def test_a_placeholder_that_the_database_refuses_is_named(real_world: IngestWorld) -> None:
    database = real_world.world.database  # type: ignore[attr-defined]
    database[names.USERS].create_index("email", unique=True, name="email_1")
    try:
        with pytest.raises(DocumentRefused, match="a placeholder for the user"):
            real_world.ingest.add_users(["one", "two"])
    finally:
        database[names.USERS].drop_index("email_1")
