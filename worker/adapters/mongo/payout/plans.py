"""Plans: written as drafts under random ids, then installed by one update.

No database transactions are needed. Readers ignore the rows of a draft until the distribution names
its plan. After a crash, `discard_other_plans` removes the rows of unused drafts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pymongo import ReturnDocument

from worker.adapters.mongo.base import STREAM_BATCH, UNRESOLVED, insert_missing, within
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import Route
from worker.adapters.mongo.payout.documents import (
    ROW_FIELDS,
    notes_document,
    payout_document,
    plan_fields,
    reward_document,
    reward_of,
    row_of,
)
from worker.adapters.mongo.payout.weeks import MongoWeeks
from worker.core.chunks import chunks
from worker.core.lifecycle import Stage
from worker.core.payout.records import Payout, PayoutKind, PlanNotes, Reward
from worker.core.plan.commitment import Row
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week

INSERT_BATCH = 1250
_CHANGEABLE = [Stage.DUE.value, Stage.PLANNED.value]


class MongoPlans(MongoWeeks):
    """Implements `worker.ports.payout.PlanStore`."""

    def write_rewards(self, rewards: Sequence[Reward], week: Week, now: datetime) -> None:
        """Write the missing rows. Existing rows stay unchanged. The caller hashes the stored rows
        before it uses them, so writing twice is harmless."""
        distribution_id = self._distribution_id(week, now)
        for chunk in chunks(rewards, INSERT_BATCH):
            documents = [reward_document(each, week, distribution_id, now) for each in chunk]
            insert_missing(self.token_rewards, documents)

    def _distribution_id(self, week: Week, now: datetime) -> str:
        week_of = {"week_start": week.start}
        if (document := self.weeks.find_one(week_of, {"_id": 1})) is None:
            self.ensure_distribution(week, now)
            document = self.weeks.find_one(week_of, {"_id": 1})
        return str(document["_id"]) if document else ""

    def write_payouts(self, payouts: Sequence[Payout], roots: Sequence[bytes]) -> None:
        pairs = list(zip(payouts, roots, strict=True))
        for chunk in chunks(pairs, INSERT_BATCH):
            documents = [payout_document(payout, root) for payout, root in chunk]
            insert_missing(self.payout_batches, documents)
        for payout in payouts:
            if payout.kind is PayoutKind.SINGLE:
                self._route_single(payout)

    def _route_single(self, payout: Payout) -> None:
        """Mark a reward as routed to its single payout, and copy what an operator wrote on it.

        A hold or a redirect may arrive at any moment. It is written to the reward first and to the
        payout second. Here the payout exists before the reward is read, so each of them reaches
        the payout.
        """
        reward = self.token_rewards.find_one_and_update(
            {"plan_id": payout.plan_id, "position": payout.index},
            {"$set": {"route": Route.SINGLE.value}},
            projection={"operator_hold": 1, "redirected_to": 1},
            return_document=ReturnDocument.AFTER,
        )
        marks = reward or {}
        copied = {"operator_hold": marks.get("operator_hold"), "wallet": marks.get("redirected_to")}
        facts = {name: value for name, value in copied.items() if value is not None}
        if facts:
            open_one = {"plan_id": payout.plan_id, "id": payout.id, "status": {"$in": UNRESOLVED}}
            self.payout_batches.update_one(open_one, {"$set": facts})

    def rows(self, plan_id: str, positions: range) -> Iterator[Row]:
        selected = {"plan_id": plan_id, "position": within(positions)}
        found = self.token_rewards.find(selected, ROW_FIELDS, batch_size=STREAM_BATCH)
        for document in found.sort("position", 1):
            yield row_of(document)

    def batch_roots(self, plan_id: str) -> list[bytes]:
        selected = {"plan_id": plan_id, "kind": PayoutKind.BATCH.value}
        found = self.payout_batches.find(selected, {"rows_root": 1}, batch_size=STREAM_BATCH)
        return [bytes(document["rows_root"]) for document in found.sort("index", 1)]

    def install_plan(
        self, plan: PlannedWeek, notes: PlanNotes, *, replacing: str | None, now: datetime
    ) -> bool:
        known = self.ensure_distribution(plan.week, now)
        if known.plan_id == plan.plan_id:
            return True
        facts = plan_fields(plan) | {"notes": notes_document(notes)}
        selected = {
            "week_start": plan.week.start,
            "plan_id": replacing,
            "stage": {"$in": _CHANGEABLE},
        }
        stage = {
            # Literals, because a reason or a field's name may begin with a dollar sign.
            **{name: {"$literal": value} for name, value in facts.items()},
            "started_at": {"$ifNull": ["$started_at", now]},
        }
        return self.weeks.update_one(selected, [{"$set": stage}]).matched_count == 1

    def discard_plan(self, plan_id: str) -> None:
        """Delete a draft. A plan that a distribution names always stays."""
        of_plan = {"plan_id": plan_id}
        if next(self._all_weeks(of_plan, {"_id": 1}), None) is None:
            self.token_rewards.delete_many(of_plan)
            self.payout_batches.delete_many(of_plan)

    def discard_drafts(self, week: Week, before: datetime) -> None:
        document = self.weeks.find_one({"week_start": week.start}, {"plan_id": 1})
        if document is None:
            return
        kept = {document.get("plan_id"), *(r.plan_id for r in self.marked_rewards(week))}
        selected = {
            "weekly_distribution_id": str(document["_id"]),
            "plan_id": {"$exists": True, "$nin": sorted(filter(None, kept))},
            "created_at": {"$lt": before},
        }
        for plan_id in self.token_rewards.distinct("plan_id", selected):
            self.discard_plan(plan_id)

    def discard_other_plans(self, week: Week, plan_id: str, *, lost_too: bool = False) -> None:
        document = self.weeks.find_one({"week_start": week.start, "plan_id": plan_id}, {"_id": 1})
        if document is None:
            return
        # Rewards from before this system have no plan id. They stay.
        others = {"plan_id": {"$ne": plan_id, "$exists": True}}
        # The id is indexed, `week_start` is not: an index would slow down each insert of a reward.
        of_week: Document = {"weekly_distribution_id": str(document["_id"])}
        if lost_too:
            of_week = {"week_start": week.start}
        self.token_rewards.delete_many(of_week | others)
        self.payout_batches.delete_many({"week": week.id} | others)

    def marked_rewards(self, week: Week) -> list[Reward]:
        document = self.weeks.find_one({"week_start": week.start}, {"_id": 1})
        if document is None:
            return []
        marks = [{"operator_hold": {"$ne": None}}, {"redirected_to": {"$ne": None}}]
        selected = {
            "weekly_distribution_id": str(document["_id"]),
            "plan_id": {"$exists": True},
            "$or": marks,
        }
        found = self.token_rewards.find(selected).sort([("plan_id", 1), ("position", 1)])
        return [reward_of(document) for document in found]
