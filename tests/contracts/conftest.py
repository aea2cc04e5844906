"""Both stores for every contract: the one in memory, and the real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.contracts.store_worlds import FakeStoreWorld, MongoStoreWorld, StoreWorld
from tests.contracts.wiki_worlds import FakeWikiWorld, MongoWikiWorld, WikiWorld, populate
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.migrations import migrate

DATABASE = "kontrib_contract"


@pytest.fixture(scope="session")
def contract_database(mongo_uri: str) -> Iterator[Mongo]:
    """A migrated database of this session's own."""
    database = connect(mongo_uri, DATABASE)
    database.client.drop_database(DATABASE)
    migrate(database, lambda line: None, datetime(2024, 12, 1, tzinfo=UTC))
    yield database
    database.client.drop_database(DATABASE)
    database.client.close()


@pytest.fixture(params=["fake", pytest.param("mongo", marks=pytest.mark.real)])
def store_world(request: pytest.FixtureRequest) -> StoreWorld:
    if request.param == "fake":
        return FakeStoreWorld()
    return MongoStoreWorld(request.getfixturevalue("contract_database"))


@pytest.fixture(params=["fake", pytest.param("mongo", marks=pytest.mark.real)])
def wiki_world(request: pytest.FixtureRequest) -> Iterator[WikiWorld]:
    """Points, counters, staking and governance, with two users and two articles."""
    if request.param == "fake":
        world: WikiWorld = FakeWikiWorld()
        populate(world)
        yield world
        return
    real = MongoWikiWorld(request.getfixturevalue("contract_database"))
    populate(real)
    yield real
    real.restore_rules()
