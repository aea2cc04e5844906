"""Reads contributions by type and the rewards of one user, for reports."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from worker.adapters.mongo.base import (
    CHUNK_IDS,
    STREAM_BATCH,
    MongoPart,
    canonical_id,
    forms_of,
    integer_sum,
)
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout import contributions as query
from worker.adapters.mongo.payout.documents import reward_of
from worker.adapters.mongo.payout.historic import HISTORIC, historic_reward_of, paid_at
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.records import Reward
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.ports.report import PaidReward, TypeTally


class MongoReporting(MongoPart):
    """Implements `worker.ports.report.ReportStore`."""

    def points_by_type(self, window: PointsWindow, rules: Rules) -> dict[str, TypeTally]:
        found: dict[str, TypeTally] = {}
        for selected, hint in (
            (query.own(window), query.BY_DATE),
            (query.late(window), query.BY_ID),
        ):
            if selected is None:
                continue
            stages = _by_type(selected, rules)
            for document in self.contributions.aggregate(stages, hint=hint):
                known = found.get(document["_id"], TypeTally(0, 0))
                points = integer_sum("points", document["points"])
                count = known.count + document["count"]
                found[document["_id"]] = TypeTally(count, known.points + points)
        return found

    def paid_between(
        self, start: datetime, end: datetime, user_id: str | None = None
    ) -> Iterator[PaidReward]:
        selected = {
            **({} if user_id is None else {"user_id": canonical_user_id(user_id)}),
            "status": Status.COMPLETED.value,
            "plan_id": {"$in": self.installed_plans()},
            "claimed_at": {"$gte": start, "$lt": end},
        }
        ordered = self.token_rewards.find(selected, batch_size=STREAM_BATCH).sort(
            [("claimed_at", 1), ("week_start", 1), ("position", 1)]
        )
        ours = (
            PaidReward(
                week=Week.containing(document["week_start"]),
                reward=reward_of(document),
                slot=None if document["slot"] is None else int(document["slot"]),
                paid_at=document["claimed_at"],
            )
            for document in ordered.allow_disk_use(True)
        )
        historic = sorted(self._historic_paid(start, end, user_id), key=_moment)
        return heapq.merge(ours, historic, key=_moment)

    def _historic_paid(
        self, start: datetime, end: datetime, user_id: str | None
    ) -> Iterator[PaidReward]:
        mine = user_id and {"user_id": {"$in": forms_of([canonical_user_id(user_id)])}}
        completed = {**(mine or {}), "status": Status.COMPLETED.value, **HISTORIC}
        for document in self.token_rewards.find(completed):
            reward, moment = historic_reward_of(document), paid_at(document)
            if reward is not None and moment is not None and start <= moment < end:
                week = Week.containing(document["week_start"])
                yield PaidReward(week=week, reward=reward, slot=None, paid_at=moment)

    def historic_rewards(self, week: Week) -> list[Reward]:
        of_week = {"week_start": {"$gte": week.start, "$lt": week.end}, **HISTORIC}
        found = map(historic_reward_of, self.token_rewards.find(of_week))
        return sorted(filter(None, found), key=lambda reward: reward.user_id)

    def names(self, user_ids: Collection[str], field: str) -> dict[str, str]:
        found = {}
        for chunk in chunks(sorted(user_ids), CHUNK_IDS):
            for document in self.users.find({"_id": {"$in": forms_of(chunk)}}, {field: 1}):
                if name := name_in(document, field):
                    found[canonical_id(document["_id"])] = name
        return found


def name_in(document: Mapping[str, Any], field: str) -> str:
    """The text in a field of a user's document; empty if there is no text."""
    value: Any = document
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _moment(paid: PaidReward) -> tuple[datetime, Week]:
    return paid.paid_at, paid.week


def _by_type(selected: Document, rules: Rules) -> list[Document]:
    counted = {"count": {"$sum": 1}, "points": {"$sum": {"$toLong": "$total_points"}}}
    return [
        {"$match": {"$and": [selected, query.counts(rules)]}},
        {"$match": query.is_user("$user_id")},
        {"$group": {"_id": "$type", **counted}},
    ]
