"""The faults. Each disturbs a world for some seconds during the payment of a week."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from pymongo.errors import PyMongoError

from deploy.local import engine
from deploy.local.chain.rpc.conditions import Conditions
from tests.chaos.fault_proxy import Fault
from tests.chaos.world import BLOCKS_BEHIND, World


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` breaks something for so many seconds and repairs it.

    With `from_the_start` the fault begins before the week is approved, otherwise during the
    payments.
    """

    name: str
    run: Callable[[World, float], None]
    from_the_start: bool = False

    def play(self, world: World, seconds: float) -> None:
        """Approve the next week, disturb the week, and wait until it is closed."""
        week = world.approve_next()
        if not self.from_the_start:
            world.wait_until_in_the_middle(week)
        self.run(world, seconds)
        world.wait_until_closed(week, seconds=180 + 2 * seconds)


def flush_redis(world: World, seconds: float) -> None:
    """Redis loses all its data, again and again."""
    client = redis.Redis.from_url(world.cluster.variables["REDIS_URL"])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.flushall()
        time.sleep(0.5)
    client.close()


def lose_redis(fault: Fault) -> Callable[[World, float], None]:
    def run(world: World, seconds: float) -> None:
        with world.redis.fault(fault):
            time.sleep(seconds)
            assert world.redis.hits, "no connection met the fault"

    return run


def lose_mongo(fault: Fault) -> Callable[[World, float], None]:
    def run(world: World, seconds: float) -> None:
        with world.mongo.fault(fault):
            time.sleep(seconds)
            assert world.mongo.hits, "no connection met the fault"

    return run


def kill_engine(world: World, seconds: float) -> None:
    """The database engine dies and restarts without the loss of an acknowledged write."""
    with Writer(world) as writer:
        end = time.monotonic() + seconds
        while True:
            world.stack.restart(engine.NAME, kill=True)
            writer.wait_for_more()
            if time.monotonic() > end:
                break
    writer.check()


def break_rpc(conditions: Conditions) -> Callable[[World, float], None]:
    def run(world: World, seconds: float) -> None:
        with world.rpc.under(conditions):
            time.sleep(seconds)
            assert world.rpc.requests, "no request met the fault"

    return run


class Writer:
    """Another client of the database that writes without pause, as the wiki does."""

    def __init__(self, world: World) -> None:
        self._collection = world.cluster.database.articles
        self._acknowledged: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_more(self) -> None:
        goal = len(self._acknowledged) + 20
        while len(self._acknowledged) < goal:
            time.sleep(0.05)

    def check(self) -> None:
        stored = {document["_id"] for document in self._collection.find({}, {"_id": 1})}
        assert set(self._acknowledged) <= stored

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            with contextlib.suppress(
                PyMongoError
            ):  # not acknowledged: the write may have happened or not
                self._collection.insert_one({"_id": number})
                self._acknowledged.append(number)


IN_CI = [
    Scenario(
        "one of two RPC nodes is 200 blocks behind",
        break_rpc(Conditions(lag_blocks={"*": [0, BLOCKS_BEHIND]})),
        from_the_start=True,
    ),
    Scenario(
        "the RPC loses one transaction in three",
        break_rpc(Conditions(lost_sends_percent=33)),
        from_the_start=True,
    ),
    Scenario("Redis forgets everything", flush_redis),
    Scenario("Redis is black-holed", lose_redis(Fault.BLACK_HOLE)),
    Scenario("the database engine is killed", kill_engine),
    Scenario(
        "the RPC answers 429", break_rpc(Conditions(calls_per_second=0, retry_after_seconds=None))
    ),
    Scenario("the RPC takes and never answers", break_rpc(Conditions(silent=True))),
]
"""Every run of the tests plays each of these for some seconds.

The first fault is hardest in a first week, during the creation of token accounts.
"""

MORE = [
    Scenario(
        "the RPC answers 429 with Retry-After",
        break_rpc(Conditions(calls_per_second=0, retry_after_seconds=2)),
    ),
    Scenario(
        "the only RPC node is 200 blocks behind",
        break_rpc(Conditions(lag_blocks={"*": BLOCKS_BEHIND})),
        from_the_start=True,
    ),
    Scenario("Redis refuses", lose_redis(Fault.REFUSED)),
    Scenario("connections to Redis are reset", lose_redis(Fault.RESET)),
    Scenario("MongoDB is black-holed", lose_mongo(Fault.BLACK_HOLE)),
    Scenario("MongoDB refuses", lose_mongo(Fault.REFUSED)),
    Scenario("connections to MongoDB are reset", lose_mongo(Fault.RESET)),
]
"""The long form also plays these."""
