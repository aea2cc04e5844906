"""The MongoDB engine is killed in the middle of work and loses no acknowledged write."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError

from deploy.local.stack import LocalStack

pytestmark = pytest.mark.real


@pytest.fixture
def own_stack(fresh: LocalStack) -> LocalStack:
    """A stack for this test alone, because the test would disturb others."""
    fresh.up()
    return fresh


class Writers:
    """Threads that write without pause, and remember the acknowledged writes."""

    def __init__(self, database: Database[dict[str, Any]], threads: int = 4) -> None:
        self.database = database
        self.inserted: list[str] = []
        self.added = 0
        self.errors: list[PyMongoError] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(threads)]

    def __enter__(self) -> Writers:
        self.database.totals.insert_many([{"_id": name, "n": 0} for name in ("one", "bulk")])
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self) -> None:
        """Return after some more acknowledged writes of each kind."""
        goal = len(self.inserted) + 100
        while len(self.inserted) < goal and any(t.is_alive() for t in self._threads):
            self._stop.wait(0.01)

    def _write(self, number: int) -> None:
        counter = 0
        while not self._stop.is_set():
            counter += 1
            name = f"{number}/{counter}"
            try:
                self.database.inserts.insert_one({"_id": name})
                self.database.totals.update_one({"_id": "one"}, {"$inc": {"n": 1}})
                self.database.totals.bulk_write(
                    [pymongo.UpdateOne({"_id": "bulk"}, {"$inc": {"n": 1}})] * 3
                )
            except PyMongoError as error:
                self.errors.append(error)
                continue
            with self._lock:
                self.inserted.append(name)
                self.added += 1


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda stack: stack.restart("documentdb"), id="engine stopped"),
        pytest.param(lambda stack: stack.restart("documentdb", kill=True), id="engine killed"),
        pytest.param(
            lambda stack: stack.restart("mongo", kill=True), id="engine and gateway killed"
        ),
    ],
)
def test_no_acknowledged_write_is_lost_or_done_twice(
    own_stack: LocalStack, disturb: Callable[[LocalStack], None]
) -> None:
    uri = own_stack.settings()["MONGO_URI"]
    with pymongo.MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=20_000) as client:
        database = client.kontrib
        with Writers(database) as writers:
            writers.wait_for_more()
            for _ in range(2):
                disturb(own_stack)
                writers.wait_for_more()

        stored = {d["_id"] for d in database.inserts.find()}
        totals = {d["_id"]: d["n"] for d in database.totals.find()}
    assert set(writers.inserted) <= stored
    assert writers.errors == []
    assert totals == {"one": writers.added, "bulk": 3 * writers.added}


def test_a_client_that_was_idle_during_a_restart_sees_no_error(own_stack: LocalStack) -> None:
    uri = own_stack.settings()["MONGO_URI"]
    with pymongo.MongoClient[dict[str, Any]](uri, retryReads=False, retryWrites=False) as client:
        client.kontrib.things.insert_one({"_id": 1})

        own_stack.restart("documentdb", kill=True)

        assert client.kontrib.things.find_one() == {"_id": 1}
        client.kontrib.things.insert_one({"_id": 2})


def test_indexes_are_whole_after_the_engine_was_killed(own_stack: LocalStack) -> None:
    uri = own_stack.settings()["MONGO_URI"]
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        rows = client.kontrib.rows
        rows.create_index("user_id")
        rows.create_index([("user_id", 1), ("at", -1)], name="user_and_time")
        with ThreadPoolExecutor() as pool:
            kills = pool.submit(_kill_three_times, own_stack)
            while not kills.done():
                users = [f"{random.randrange(500):024x}" for _ in range(500)]
                rows.insert_many([{"user_id": u, "at": random.random()} for u in users])
                with contextlib.suppress(
                    AutoReconnect
                ):  # no driver repeats a write to many documents
                    rows.delete_many({"user_id": users[0]})

        count = rows.count_documents({})
        for index in ("user_id_1", "user_and_time"):
            found = rows.find({"user_id": {"$gt": ""}}, {"_id": 1}).hint(index)
            assert sum(1 for _ in found) == count


def _kill_three_times(stack: LocalStack) -> None:
    for _ in range(3):
        time.sleep(1.0)
        stack.restart("documentdb", kill=True)
