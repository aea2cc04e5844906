"""Batches are settled by one command, with one update for each, and without a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from tests.contracts.store_worlds import NOW, MongoStoreWorld, write_plan
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.money import Lamports
from worker.core.payout.records import PayoutKind, Settlement

pytestmark = pytest.mark.real
LANDED = datetime(2024, 12, 16, 0, 1, tzinfo=UTC)


class RewardUpdates(monitoring.CommandListener):
    """The update commands of the collection of rewards."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command.get("update") == "token_rewards":
            self.commands.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def updates() -> RewardUpdates:
    return RewardUpdates()


@pytest.fixture
def store(mongo_uri: str, updates: RewardUpdates) -> Iterator[MongoStore]:
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo_uri, tz_aware=True, event_listeners=[updates]
    )
    database = client[f"kontrib_writes_{os.getpid()}"]
    migrate(database, lambda line: None, NOW)
    MongoStoreWorld(database)
    yield MongoStore(database)
    client.drop_database(database.name)
    client.close()


def settle_all(store: MongoStore, landed_at: datetime | None) -> None:
    payouts = store.payouts_after("plan", "", 10)
    settlements = [
        Settlement(
            p, PayoutStatus.PAID, f"sig-{p.index}", 77, Lamports(5_000), verified=True,
            landed_at=landed_at,
        )
        for p in payouts
        if p.kind is PayoutKind.BATCH
    ]  # fmt: skip
    store.settle(settlements, NOW)


def test_a_date_of_the_chain_needs_no_pipeline(store: MongoStore, updates: RewardUpdates) -> None:
    rewards = write_plan(store, 9)

    settle_all(store, LANDED)

    [command] = updates.commands
    assert len(command["updates"]) == 3  # nine rewards in three batches
    assert all(set(update["u"]) == {"$set"} and update["multi"] for update in command["updates"])
    stored = store.rewards("plan", range(len(rewards)))
    assert {(r.status, r.paid_at) for r in stored} == {(Status.COMPLETED, LANDED)}


def test_a_later_date_of_the_chain_replaces_that_of_the_reading(
    store: MongoStore, updates: RewardUpdates
) -> None:
    write_plan(store, 3)

    settle_all(store, None)
    assert {r.paid_at for r in store.rewards("plan", range(3))} == {NOW}
    settle_all(store, LANDED)
    settle_all(store, None)

    assert {r.paid_at for r in store.rewards("plan", range(3))} == {LANDED}
    assert [isinstance(c["updates"][0]["u"], list) for c in updates.commands] == [True, False, True]
