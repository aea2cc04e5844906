"""A real local stack for its own tests. It starts once, and each test gets a separate database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from deploy.local.errors import NoMongoEngine
from deploy.local.stack import LocalStack
from tests.deploy.local.stack_helpers import silent

Documents = Database[dict[str, Any]]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The user's environment without the user's MongoDB, so that the stack chooses DocumentDB."""
    no_programs = tmp_path_factory.mktemp("empty-path")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("MONGO_")},
        "PATH": str(no_programs),
    }


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Iterator[LocalStack]:
    """A running stack. Without an engine the tests are skipped by name. In CI that is a failure."""
    stack = LocalStack(tmp_path_factory.mktemp("stack"), print, environment=environment)
    try:
        stack.up()
    except NoMongoEngine as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield stack
    stack.down(purge=True)


@pytest.fixture(scope="session")
def client(stack: LocalStack) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](
        stack.settings()["MONGO_URI"], serverSelectionTimeoutMS=20_000
    ) as client:
        yield client


@pytest.fixture
def database(
    client: pymongo.MongoClient[dict[str, Any]], request: pytest.FixtureRequest
) -> Iterator[Documents]:
    """An empty database, dropped after the test."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**9}"
    client.drop_database(name)
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def fresh(stack: LocalStack, state: Path, environment: dict[str, str]) -> Iterator[LocalStack]:
    """A second stack beside the session's, not started yet."""
    fresh = LocalStack(state, silent, environment=environment)
    yield fresh
    fresh.down(purge=True)
