"""A store to test, in memory or real, and plans to write into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from tests.fakes.store.store import FakeStore
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.identity import user_commitment
from worker.core.lifecycle import Stage, Status
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.payout.records import Attempt, Distribution, Payout, PayoutKind, PlanNotes, Reward
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.commitment import Header, Row
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import BatchId, Resolution, anchor_id, single_id
from worker.core.plan.rules import rules_from
from worker.core.week import Week
from worker.ports.payout import Store

WEEK = Week.parse("2024-12-09")
NOW = WEEK.end + timedelta(hours=1)
LATER = NOW + timedelta(minutes=10)
SALT = b"salt" * 8
RULES = rules_from(CONFIG)
BATCH_SIZE = 3


class StoreWorld(Protocol):
    """A store, and the wiki's side of the same database."""

    store: Store

    def add_user(self, document: Mapping[str, Any]) -> None: ...
    def add_contributions(self, documents: Iterable[Mapping[str, Any]]) -> None: ...
    def add_stake(self, document: Mapping[str, Any]) -> None: ...
    def add_distribution(self, document: Mapping[str, Any]) -> None: ...
    def add_historic_reward(self, document: Mapping[str, Any]) -> None: ...
    def clear_contributions(self) -> None: ...
    def archive_week(self, week: Week) -> None: ...


class FakeStoreWorld:
    def __init__(self) -> None:
        self.fake = FakeStore()
        self.store: Store = self.fake

    def add_user(self, document: Mapping[str, Any]) -> None:
        self.fake.add_user(document)

    def add_contributions(self, documents: Iterable[Mapping[str, Any]]) -> None:
        for document in documents:
            self.fake.add_contribution(document)

    def add_stake(self, document: Mapping[str, Any]) -> None:
        self.fake.add_stake(document)

    def add_distribution(self, document: Mapping[str, Any]) -> None:
        self.fake.add_distribution(document)

    def add_historic_reward(self, document: Mapping[str, Any]) -> None:
        self.fake.add_historic_reward(document)

    def clear_contributions(self) -> None:
        self.fake.state.contributions.clear()

    def archive_week(self, week: Week) -> None:
        self.fake.archive_week(week)


class MongoStoreWorld:
    """A migrated database that is emptied for each test."""

    def __init__(self, database: Mongo) -> None:
        self.database = database
        self.store: Store = MongoStore(database)
        for name in database.list_collection_names():
            if name != names.SYSTEM_CONFIG:
                database[name].delete_many({})
        ours = {"_id": {"$nin": ["token_system", "schema"]}}
        database[names.SYSTEM_CONFIG].delete_many(ours)

    def add_user(self, document: Mapping[str, Any]) -> None:
        self.database[names.USERS].replace_one(
            {"_id": document["_id"]}, dict(document), upsert=True
        )

    def add_contributions(self, documents: Iterable[Mapping[str, Any]]) -> None:
        if listed := [dict(document) for document in documents]:
            self.database[names.CONTRIBUTIONS].insert_many(listed)

    def add_stake(self, document: Mapping[str, Any]) -> None:
        # An older program without validators may have written this.
        self.database[names.STAKING_RECORDS].insert_one(
            dict(document), bypass_document_validation=True
        )

    def add_distribution(self, document: Mapping[str, Any]) -> None:
        self.database[names.WEEKLY_DISTRIBUTIONS].insert_one(dict(document))

    def add_historic_reward(self, document: Mapping[str, Any]) -> None:
        # It may be older than the validators.
        self.database[names.TOKEN_REWARDS].insert_one(
            dict(document), bypass_document_validation=True
        )

    def clear_contributions(self) -> None:
        self.database[names.CONTRIBUTIONS].delete_many({})

    def archive_week(self, week: Week) -> None:
        document = self.database[names.WEEKLY_DISTRIBUTIONS].find_one_and_delete(
            {"week_start": week.start}
        )
        assert document is not None
        self.database[names.WEEKLY_DISTRIBUTIONS_ARCHIVE].insert_one(document)


def make_reward(
    position: int, *, plan_id: str = "plan", held: bool = False, week: Week = WEEK, **facts: Any
) -> Reward:
    """The reward at a position: (position + 1) tokens for user `user-<position>`."""
    user_id = f"user-{position:05}"
    row = Row(
        user=user_commitment(SALT, user_id),
        wallet="" if held else f"wallet-{position}",
        points=10 * (position + 1),
        weight=10 * (position + 1) * MULTIPLIER_SCALE,
        amount=BaseUnits((position + 1) * ONE_TOKEN),
        batch="" if held else str(BatchId(week, position // BATCH_SIZE)),
    )
    defaults: dict[str, Any] = {
        "late_points": 0,
        "multiplier": MULTIPLIER_SCALE,
        "status": Status.PENDING,
        "reason": "no wallet address" if held else None,
    }
    return Reward(plan_id, position, user_id, row, **(defaults | facts))


def make_rewards(payable: int, held: int = 0, *, plan_id: str = "plan") -> list[Reward]:
    """Batched rewards first, then held ones, as in every plan."""
    return [
        make_reward(position, plan_id=plan_id, held=position >= payable)
        for position in range(payable + held)
    ]


def make_payouts(rewards: list[Reward], week: Week = WEEK) -> list[Payout]:
    """The anchor and the batches of a plan."""
    plan_id = rewards[0].plan_id
    payable = [reward for reward in rewards if reward.row.batch]
    anchor = Payout(anchor_id(week), plan_id, week, PayoutKind.ANCHOR, 0, 0, BaseUnits(0))
    batches = []
    for first in range(0, len(payable), BATCH_SIZE):
        rows = [reward.row for reward in payable[first : first + BATCH_SIZE]]
        amount = BaseUnits(sum(row.amount for row in rows))
        index = first // BATCH_SIZE
        batches.append(
            Payout(rows[0].batch, plan_id, week, PayoutKind.BATCH, index, len(rows), amount)
        )
    return [anchor, *batches]


def make_single(reward: Reward, week: Week = WEEK) -> Payout:
    return Payout(
        single_id(week, reward.row.user),
        reward.plan_id,
        week,
        PayoutKind.SINGLE,
        reward.position,
        1,
        reward.row.amount,
        wallet=reward.row.wallet or "a wallet of today",
    )


def make_header(rewards: list[Reward], week: Week = WEEK) -> Header:
    payable = [reward for reward in rewards if reward.row.batch]
    return Header(
        week=week,
        cutoff=int(NOW.timestamp()),
        previous_root=b"",
        mint="mint",
        rules=RULES.snapshot(),
        batch_size=BATCH_SIZE,
        batches=-(-len(payable) // BATCH_SIZE),
        rewards=len(rewards),
        held=len(rewards) - len(payable),
        total_points=sum(reward.row.points for reward in rewards),
        total_weight=sum(reward.row.weight for reward in rewards),
        total_amount=BaseUnits(sum(reward.row.amount for reward in rewards)),
        floor_waived=False,
    )


def make_plan(rewards: list[Reward], week: Week = WEEK) -> PlannedWeek:
    header = make_header(rewards, week)
    return PlannedWeek(
        week, rewards[0].plan_id, header, root=b"r" * 32, held_root=b"h" * 32, stage=Stage.PLANNED
    )


def installed(plan: PlannedWeek) -> Distribution:
    """The record of a newly installed plan, in a week known since NOW."""
    return Distribution(
        week=plan.week,
        stage=Stage.PLANNED,
        plan_id=plan.plan_id,
        header=plan.header.canonical(),
        root=plan.root,
        held_root=plan.held_root,
        created_at=NOW,
    )


def write_plan(store: Store, payable: int, held: int = 0, *, plan_id: str = "plan") -> list[Reward]:
    """Write and install a plan with this many rewards."""
    rewards = make_rewards(payable, held, plan_id=plan_id)
    store.ensure_distribution(WEEK, NOW)
    store.write_rewards(rewards, WEEK, NOW)
    payouts = make_payouts(rewards)
    store.write_payouts(payouts, [b"root-%d" % i for i in range(len(payouts))])
    assert store.install_plan(make_plan(rewards), PlanNotes(), replacing=None, now=NOW)
    return rewards


def freeze(store: Store, plan_id: str = "plan") -> None:
    """Anchor and prepare the week."""
    assert store.advance(WEEK, plan_id, Stage.PLANNED, Stage.ANCHORED, signature="anchor-sig")
    assert store.advance(WEEK, plan_id, Stage.ANCHORED, Stage.PREPARED)


def make_attempt(signature: str = "sig", at: datetime = NOW) -> Attempt:
    return Attempt(signature, Resolution.PAID, "blockhash", 1234, b"\x01wire", at)
