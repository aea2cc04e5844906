"""The in-memory store's data: frozen records in dicts, so that a snapshot is a shallow copy."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from worker.adapters.mongo.connection import DECIMALS
from worker.adapters.mongo.payout.historic import UNPAID, is_plannable
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.cost import OtherTransaction
from worker.core.lifecycle import Status
from worker.core.money import Lamports
from worker.core.payout.backoff import is_waiting
from worker.core.payout.records import Distribution, Payout, PayoutKind, Reward
from worker.core.plan.earlier_key import EarlierKey
from worker.core.week import Week

Document = dict[str, Any]
_UTC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    type_registry=DECIMALS,
)


class Route(StrEnum):
    """A reward's way of payment: in its batch, in a future single, or in its single."""

    BATCH = "batch"
    WAITING = "waiting"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class StoredReward:
    reward: Reward
    week: Week
    route: Route
    created_at: datetime
    next_attempt_at: datetime | None = None
    slot: int | None = None
    claimed_at: datetime | None = None

    @property
    def is_unpaid(self) -> bool:
        return self.reward.status is not Status.COMPLETED

    @property
    def is_waiting(self) -> bool:
        """Whether the reward is to be paid alone and has no single yet."""
        return self.route is Route.WAITING and self.is_unpaid


@dataclass(frozen=True, slots=True)
class StoredPayout:
    payout: Payout
    root: bytes
    leased_until: datetime | None = None
    operator_hold: str | None = None
    fee: Lamports | None = None
    verified: bool = False

    @property
    def is_unresolved(self) -> bool:
        """Whether this batch or single is open. An anchor never counts."""
        return self.payout.kind is not PayoutKind.ANCHOR and not self.payout.status.is_resolved

    @property
    def is_claimable(self) -> bool:
        """An operator's hold stops only unsigned payouts. A signed one may still land, so it
        must be settled."""
        held_back = self.operator_hold is not None and self.payout.attempt is None
        return self.is_unresolved and not held_back

    def is_due(self, now: datetime) -> bool:
        times = (self.payout.next_attempt_at, self.leased_until)
        return self.is_claimable and not any(is_waiting(time, now) for time in times)


@dataclass(frozen=True, slots=True)
class StoredWeek:
    distribution: Distribution
    facts: Document = field(default_factory=dict)
    """Facts for readers besides the distribution: totals, PlanNotes, recorded facts."""

    @property
    def is_plannable(self) -> bool:
        """Whether it is another system's, undone, and not ours yet."""
        return is_plannable(self.facts)

    @property
    def is_ours(self) -> bool:
        return self.distribution.historic is None and not self.is_plannable


@dataclass(slots=True)
class State:
    """Every table. Values in a table are replaced, never changed in place."""

    users: dict[object, Document] = field(default_factory=dict)
    contributions: dict[object, Document] = field(default_factory=dict)
    stakes: dict[int, Document] = field(default_factory=dict)
    articles: dict[object, Document] = field(default_factory=dict)
    article_rewards: dict[tuple[Week, str], int] = field(default_factory=dict)
    proposals: dict[str, Document] = field(default_factory=dict)
    votes: dict[tuple[str, str], Document] = field(default_factory=dict)
    """By proposal and user."""
    snapshots: dict[tuple[str, str], Document] = field(default_factory=dict)
    """Voting power by proposal and user."""
    config: dict[str, Document] = field(default_factory=lambda: {"token_system": CONFIG})
    historic_rewards: list[Document] = field(default_factory=list)
    """Rewards of another system."""
    odd_weeks: list[Document] = field(default_factory=list)
    """Distributions that begin at no Monday."""
    weeks: dict[Week, StoredWeek] = field(default_factory=dict)
    archive: dict[Week, StoredWeek] = field(default_factory=dict)
    rewards: dict[str, dict[int, StoredReward]] = field(default_factory=dict)
    """By plan id and position."""
    payouts: dict[str, dict[str, StoredPayout]] = field(default_factory=dict)
    """By plan id and receipt id."""
    other_transactions: dict[str, OtherTransaction] = field(default_factory=dict)
    """By signature."""
    first_week: dict[str, Week] = field(default_factory=dict)
    earlier_key: dict[str, EarlierKey] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)
    beats: dict[str, datetime] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    marks: dict[str, datetime] = field(default_factory=dict)
    figures: dict[str, Document] = field(default_factory=dict)

    def copy(self) -> State:
        tables: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            tables[f.name] = list(value) if isinstance(value, list) else dict(value)
        for name in ("rewards", "payouts"):
            tables[name] = {plan_id: dict(rows) for plan_id, rows in tables[name].items()}
        return State(**tables)

    def rewards_of(self, plan_id: str) -> dict[int, StoredReward]:
        return self.rewards.get(plan_id, {})

    def payouts_of(self, plan_id: str) -> dict[str, StoredPayout]:
        return self.payouts.get(plan_id, {})

    def put_reward(self, stored: StoredReward, **facts: Any) -> None:
        """Store a reward with changed fields of its `Reward`."""
        reward = replace(stored.reward, **facts)
        self.rewards[reward.plan_id][reward.position] = replace(stored, reward=reward)

    def put_payout(self, stored: StoredPayout, **facts: Any) -> None:
        """Store a payout with changed fields of its `Payout`."""
        payout = replace(stored.payout, **facts)
        self.payouts[payout.plan_id][payout.id] = replace(stored, payout=payout)

    def is_paid_elsewhere(self, week: Week) -> bool:
        """Whether another system paid, or may have paid, a reward of the week."""
        return bool(self.rewards_elsewhere(week))

    def rewards_elsewhere(self, week: Week) -> list[Document]:
        """The rewards of the week that another system paid, or may have paid."""
        return [
            document
            for document in self.historic_rewards
            if isinstance(start := document.get("week_start"), datetime)
            and Week.containing(start) == week
            and document.get("status") not in UNPAID
        ]

    def weeks_elsewhere(self) -> list[Week]:
        starts = (document.get("week_start") for document in self.historic_rewards)
        weeks = {Week.containing(start) for start in starts if isinstance(start, datetime)}
        return sorted(week for week in weeks if self.is_paid_elsewhere(week))

    def plan_of(self, week: Week) -> str | None:
        stored = self.weeks.get(week) or self.archive.get(week)
        return None if stored is None else stored.distribution.plan_id


def to_milliseconds(moment: datetime) -> datetime:
    """The moment at the database's precision."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def as_stored(value: Any) -> Any:
    """A value as the database returns it: lists for tuples, milliseconds, plain types."""
    return bson.decode(bson.encode({"value": value}, codec_options=_UTC), _UTC)["value"]
