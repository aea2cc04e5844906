"""The in-memory and the real store for every contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import pytest

from tests.contracts.store_worlds import FakeStoreWorld, MongoStoreWorld, StoreWorld
from tests.contracts.wiki.wiki_worlds import FakeWikiWorld, MongoWikiWorld, WikiWorld, populate
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.schema.migrations import migrate

# A name per process, since several may share a server.
DATABASE = f"kontrib_contract_{os.getpid()}"


@pytest.fixture(scope="session")
def contract_database(mongo_uri: str) -> Iterator[Mongo]:
    """A migrated database for this session alone."""
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
def wiki_world(request: pytest.FixtureRequest) -> WikiWorld:
    """Points, counters, staking and governance, with two users and two articles."""
    if request.param == "mongo":
        return cast(WikiWorld, request.getfixturevalue("real_wiki_world"))
    world = FakeWikiWorld()
    populate(world)
    return world


@pytest.fixture
def real_wiki_world(contract_database: Mongo) -> Iterator[WikiWorld]:
    """The real store only, for tests with several threads."""
    world = MongoWikiWorld(contract_database)
    populate(world)
    yield world
    world.restore_rules()
