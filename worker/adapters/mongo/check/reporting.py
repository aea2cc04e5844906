"""Reads contributions by type and the rewards of one user, for reports."""

from __future__ import annotations

from datetime import datetime

from worker.adapters.mongo.base import MongoPart, integer_sum
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout import contributions as query
from worker.adapters.mongo.payout.documents import reward_of
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
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

    def paid_between(self, user_id: str, start: datetime, end: datetime) -> list[PaidReward]:
        selected = {
            "user_id": canonical_user_id(user_id),
            "status": Status.COMPLETED.value,
            "plan_id": {"$in": self.installed_plans()},
            "claimed_at": {"$gte": start, "$lt": end},
        }
        found = self.token_rewards.find(selected).sort([("claimed_at", 1), ("week_start", 1)])
        return [
            PaidReward(
                week=Week.containing(document["week_start"]),
                reward=reward_of(document),
                slot=None if document["slot"] is None else int(document["slot"]),
                paid_at=document["claimed_at"],
            )
            for document in found
        ]


def _by_type(selected: Document, rules: Rules) -> list[Document]:
    counted = {"count": {"$sum": 1}, "points": {"$sum": {"$toLong": "$total_points"}}}
    return [
        {"$match": {"$and": [selected, query.counts(rules)]}},
        {"$match": query.is_user("$user_id")},
        {"$group": {"_id": "$type", **counted}},
    ]
