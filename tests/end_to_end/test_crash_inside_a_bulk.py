"""A worker ends between two documents of any write of many, and another one ends the week right.

The store is the real one on the gateway, which applies such writes one document at a time, like
MongoDB. The cluster is the one in memory.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.errors import Unreachable
from worker.core.lifecycle import Stage
from worker.services.context import Context, Limits
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis
from worker.services.week.due import find_work

pytestmark = pytest.mark.real

FROZEN = "frozen later"
PIECEMEAL = "applyBulkPiecemeal"
USERS = 8
ROUNDS_MAX = 100
WRITES_OF_MANY_LEAST = 10
# The driver repeats a cut write once, and is cut off again.
CUTS = 2


@pytest.fixture(scope="module")
def database(mongo_uri: str) -> Iterator[Mongo]:
    database = connect(mongo_uri, f"kontrib_cut_{os.getpid()}")
    try:
        database.client.admin.command({"configureFailPoint": PIECEMEAL, "mode": "off"})
    except OperationFailure as error:
        pytest.skip(f"this MongoDB cannot cut a write in its middle: {error}")
    database.client.drop_database(database.name)
    migrate(database, lambda line: None, datetime(2024, 12, 1, tzinfo=UTC))
    yield database
    database.client.drop_database(database.name)
    database.client.close()


class CutWorld:
    """A new week with a real store, in a database that other weeks used before."""

    def __init__(self, database: Mongo) -> None:
        self.memory = World()
        self.names = self.memory.populate(USERS)
        self.memory.add_user(FROZEN)
        self.memory.contribute(FROZEN, 100)
        self.memory.add_user("without a wallet", wallet=None)
        self.memory.contribute("without a wallet", 100)
        self._admin = database.client.admin
        empty(database)
        state = store_of(self.memory.first).state
        database.users.insert_many([dict(it) for it in state.users.values()])
        database.contributions.insert_many([dict(it) for it in state.contributions.values()])
        self.context = Context(
            store=MongoStore(database),
            chain=chain_of(self.memory.first),
            archive=self.memory.archive,
            clock=self.memory.clock,
            limits=Limits(batches_per_task=100, batches_in_flight=8),
        )
        make_genesis(self.context, WEEK)

    def run(self, **cut: Any) -> int:
        """Run the week, with a cut; return how often a write was cut off."""
        fail_point = {"configureFailPoint": PIECEMEAL}
        self._admin.command({**fail_point, **cut})
        try:
            self._run_until_closed()
        finally:
            reply = self._admin.command({**fail_point, "mode": "off"})
        return int(reply["count"])

    def _run_until_closed(self) -> None:
        for _ in range(ROUNDS_MAX):
            try:
                self._work()
            except Unreachable:
                continue  # the next worker begins anew
            if self.is_closed():
                return
            self.memory.clock.sleep(30)
        raise AssertionError(self.context.store.distribution(WEEK))

    def _work(self) -> None:
        while due := find_work(self.context):
            self.memory.do(self.context, due[0])
            self._freeze_after_the_preparation()

    def _freeze_after_the_preparation(self) -> None:
        """Freeze an account that the plan counts on, so that its batch is void and paid singly."""
        distribution = self.context.store.distribution(WEEK)
        if distribution is not None and distribution.stage is Stage.PREPARED:
            frozen = token_address(wallet_named(FROZEN))
            self.memory.ledger.change_token_account(frozen, frozen=True)

    def is_closed(self) -> bool:
        distribution = self.context.store.distribution(WEEK)
        return distribution is not None and distribution.stage is Stage.COMPLETED


def empty(database: Mongo) -> None:
    for name in database.list_collection_names():
        if name != "system_config":
            database[name].delete_many({})
    database.system_config.delete_many({"_id": {"$nin": ["token_system", "schema"]}})


@pytest.mark.parametrize("applied", [1, 2])
def test_the_week_ends_right_wherever_a_write_is_cut(
    database: Mongo, applied: int, record_property: Callable[[str, object], None]
) -> None:
    calm = CutWorld(database)
    assert calm.run(mode="off") == 0
    expected = facts(calm, database)

    cut_writes = 0
    for skipped in itertools.count():
        world = CutWorld(database)
        mode = {"skip": skipped, "times": CUTS}
        fired = world.run(mode=mode, data={"closeAfter": applied})
        if fired == 0:
            break
        cut_writes += 1
        assert facts(world, database) == expected, f"cut at write {skipped + 1}"
    assert cut_writes >= WRITES_OF_MANY_LEAST
    record_property(f"writes cut after document {applied}", cut_writes)


def facts(world: CutWorld, database: Mongo) -> dict[str, Any]:
    """What a contributor and the wiki see of the week, once its books agree."""
    distribution = world.context.store.distribution(WEEK)
    assert distribution is not None
    assert reconcile(world.context, distribution).is_exact
    rewards = list(database.token_rewards.find())
    assert len({it["user_id"] for it in rewards}) == len(rewards)
    assert len(list(database.payout_batches.find({"kind": "batch", "status": "void"}))) == 1
    return {
        "balances": world.memory.balances(world.names),
        "rewards": sorted((str(it["user_id"]), it["status"]) for it in rewards),
        "signed": sorted(bool(it.get("transaction_signature")) for it in rewards),
        "users": sorted(map(str, database.users.find())),
    }
