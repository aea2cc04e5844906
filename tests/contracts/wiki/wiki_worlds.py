"""A wiki's points, counters, stakes and proposals to test, in memory or real."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from bson import ObjectId

from tests.contracts.store_worlds import NOW, FakeStoreWorld, MongoStoreWorld, StoreWorld
from tests.fakes.store.wiki_data import stored_forms
from tests.fakes.wiki.staking import FakeTransfers
from tests.fakes.wiki.wiki import wiki_in_memory
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.wiki.contribute import MongoContributions
from worker.adapters.mongo.wiki.governance import MongoGovernance
from worker.adapters.mongo.wiki.reward_counters import MongoCounters
from worker.adapters.mongo.wiki.staking_records import MongoStaking
from worker.core.plan.rules import CONFIG_ID
from worker.core.wiki.stored_counters import REPUTATION_WRITTEN
from worker.services.wiki_context import WikiContext

ADA, BOB = "507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"
GUIDE, ESSAY = "607f1f77bcf86cd799439021", "607f1f77bcf86cd799439022"


class ManualClock:
    """A clock that only a test advances."""

    def __init__(self, now: datetime) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def pass_days(self, days: float) -> None:
        self.moment += timedelta(days=days)


class WikiWorld(Protocol):
    """The stores, the wiki's side of the same database, and a clock."""

    wiki: WikiContext
    clock: ManualClock
    base: StoreWorld

    def add_article(self, document: Mapping[str, Any]) -> None: ...
    def user(self, user_id: str) -> dict[str, Any]: ...
    def article(self, article_id: str) -> dict[str, Any]: ...
    def contributions(self) -> list[dict[str, Any]]: ...
    def stakes(self) -> list[dict[str, Any]]: ...
    def set_rules(self, **fields: Any) -> None: ...


class FakeWikiWorld:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.base: StoreWorld = FakeStoreWorld()
        assert isinstance(self.base, FakeStoreWorld)
        self._fake = self.base.fake
        self.wiki = wiki_in_memory(self._fake, self.clock)

    def add_article(self, document: Mapping[str, Any]) -> None:
        self._fake.state.articles[document["_id"]] = dict(document)

    def user(self, user_id: str) -> dict[str, Any]:
        return _first(self._fake.state.users, user_id)

    def article(self, article_id: str) -> dict[str, Any]:
        return _first(self._fake.state.articles, article_id)

    def contributions(self) -> list[dict[str, Any]]:
        return list(self._fake.state.contributions.values())

    def stakes(self) -> list[dict[str, Any]]:
        return list(self._fake.state.stakes.values())

    def set_rules(self, **fields: Any) -> None:
        self._fake.set_rules(**fields)


class MongoWikiWorld:
    def __init__(self, database: Mongo) -> None:
        self.clock = ManualClock(NOW)
        self.base: StoreWorld = MongoStoreWorld(database)
        self._database = database
        self.restore_rules()
        self.wiki = WikiContext(
            store=self.base.store,
            contributions=MongoContributions(database),
            counters=MongoCounters(database),
            staking=MongoStaking(database),
            governance=MongoGovernance(database),
            clock=self.clock,
            transfers=FakeTransfers(),
        )

    def restore_rules(self) -> None:
        config = self._database[names.SYSTEM_CONFIG]
        config.replace_one({"_id": CONFIG_ID}, dict(CONFIG), upsert=True)

    def add_article(self, document: Mapping[str, Any]) -> None:
        self._database[names.ARTICLES].insert_one(dict(document))

    def user(self, user_id: str) -> dict[str, Any]:
        return self._one(names.USERS, user_id)

    def article(self, article_id: str) -> dict[str, Any]:
        return self._one(names.ARTICLES, article_id)

    def contributions(self) -> list[dict[str, Any]]:
        return list(self._database[names.CONTRIBUTIONS].find())

    def stakes(self) -> list[dict[str, Any]]:
        return list(self._database[names.STAKING_RECORDS].find())

    def set_rules(self, **fields: Any) -> None:
        config = self._database[names.SYSTEM_CONFIG]
        config.update_one({"_id": CONFIG_ID}, {"$set": fields})

    def _one(self, collection: str, document_id: str) -> dict[str, Any]:
        found = self._database[collection].find_one({"_id": {"$in": stored_forms(document_id)}})
        assert found is not None
        return found


def populate(world: WikiWorld) -> None:
    """Two users and two articles, as a migrated wiki has them."""
    for user_id, score in ((ADA, 1.2), (BOB, 1.0)):
        ours = {"reputation_score": score, REPUTATION_WRITTEN: score}
        world.base.add_user({"_id": ObjectId(user_id), **ours})
    world.add_article({"_id": ObjectId(GUIDE), "demand_score": 1.8})
    world.add_article({"_id": ESSAY})


def _first(table: Mapping[object, dict[str, Any]], document_id: str) -> dict[str, Any]:
    return next(table[form] for form in stored_forms(document_id) if form in table)
