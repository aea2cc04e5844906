"""Errors of an unreachable database, and secrets that they never contain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from worker.adapters.mongo.base import MongoPart
from worker.adapters.mongo.connection import (
    MalformedMongoUri,
    Mongo,
    MongoDenied,
    MongoUnreachable,
    connect,
    reaching,
)
from worker.adapters.mongo.payout.store import MongoStore
from worker.core.errors import Unreachable

NOBODY = "mongodb://wiki:hunter2@127.0.0.1:1,127.0.0.1:2/wiki?replicaSet=rs0"


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    store = MongoStore(connect(NOBODY, server_selection_timeout_ms=50))

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1, 127\.0\.0\.1:2") as raised:
        store.paused()

    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_stream_that_breaks_says_the_same() -> None:
    store = MongoStore(connect(NOBODY, server_selection_timeout_ms=50))

    with pytest.raises(MongoUnreachable, match="tried again"):
        next(iter(store.user_ids()))


@pytest.mark.parametrize(
    "uri",
    [
        "nonsense",
        "mongodb://wiki:hunter2@db:port/wiki",
        "mongodb://wiki:hunt@er2@db/wiki",
        "mongodb://wiki:hunter2@db:27017",
    ],
)
def test_a_malformed_address_is_not_repeated(uri: str) -> None:
    with pytest.raises(MalformedMongoUri, match="MONGO_URI") as raised:
        connect(uri)

    assert "hunter2" not in str(raised.value)


def test_the_database_of_the_address_is_the_default() -> None:
    assert connect(NOBODY).name == "wiki"
    assert connect(NOBODY, "other").name == "other"


def test_writes_are_for_the_majority_and_times_have_a_zone() -> None:
    client = connect(NOBODY).client

    assert client.write_concern.document == {"w": "majority"}
    assert client.codec_options.tz_aware
    assert client.options.retry_writes
    assert client.options.retry_reads


class Failing:
    """A store whose server answers with one error."""

    def __init__(self, error: Exception) -> None:
        self.database: Mongo = connect(NOBODY)
        self.error = error

    @reaching
    def call(self) -> None:
        raise self.error

    @reaching
    def stream(self) -> Iterator[int]:
        yield 1
        raise self.error


class FailingPart(MongoPart):
    """A part of the store, whose public methods need no decorator."""

    def __init__(self, error: Exception) -> None:
        super().__init__(connect(NOBODY))
        self.error = error

    def call(self) -> None:
        raise self.error

    def stream(self) -> Iterator[int]:
        yield 1
        raise self.error


NO_ANSWER: list[Exception] = [
    OperationFailure("cursor lost", 43),
    OperationFailure("write conflict", 112),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
]


@pytest.mark.parametrize("failing", [Failing, FailingPart])
@pytest.mark.parametrize("error", NO_ANSWER, ids=lambda error: type(error).__name__)
def test_what_may_or_may_not_have_happened_is_unreachable(
    failing: type[Failing | FailingPart], error: Exception
) -> None:
    with pytest.raises(MongoUnreachable, match=r"127\.0\.0\.1"):
        failing(error).call()

    stream = failing(error).stream()
    assert next(stream) == 1
    with pytest.raises(MongoUnreachable):
        next(stream)


def test_a_refused_user_is_told_what_is_needed() -> None:
    with pytest.raises(MongoDenied, match="readWrite"):
        Failing(OperationFailure("auth failed", 18)).call()


BUGS: list[Any] = [DuplicateKeyError("x", 11000), OperationFailure("invalid", 121), KeyError("x")]


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_bugs_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)):
        Failing(error).call()
