"""Distributions: how far each week has come."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo.base import UNRESOLVED, MongoPart
from worker.adapters.mongo.connection import Document, reaching
from worker.adapters.mongo.names import Route
from worker.adapters.mongo.payout.documents import (
    UNTRIED,
    distribution_fields,
    distribution_of,
    status_expression,
    with_hex_roots,
    with_longs,
)
from worker.core.lifecycle import STAGES, Stage, Status, check_transition, status_of
from worker.core.payout.records import Distribution, PayoutKind
from worker.core.plan.totals import NO_TOTALS
from worker.core.week import Week

GENESIS_ID = "genesis"
_NOT_FOR_READERS = {"_id": 0, "header": 0}


class MongoWeeks(MongoPart):
    """Implements the distributions' half of `worker.ports.payout.PlanStore`."""

    @reaching
    def distribution(self, week: Week) -> Distribution | None:
        return self._find_distribution(week)

    def _find_distribution(self, week: Week) -> Distribution | None:
        for collection, archived in ((self.weeks, False), (self.archive, True)):
            if (document := collection.find_one({"week_start": week.start})) is not None:
                return distribution_of(document, archived=archived)
        return None

    @reaching
    def distributions(self) -> list[Distribution]:
        documents = self.weeks.find({}).sort("week_start", 1)
        return [distribution_of(document, archived=False) for document in documents]

    @reaching
    def first_week(self) -> Week | None:
        document = self.config.find_one({"_id": GENESIS_ID})
        return None if document is None else Week.parse(document["first_week"])

    @reaching
    def record_first_week(self, week: Week) -> None:
        update = {"$set": {"first_week": week.id}}
        self.config.update_one({"_id": GENESIS_ID}, update, upsert=True)

    @reaching
    def ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        return self._ensure_distribution(week, now)

    def _ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        if (known := self._find_distribution(week)) is not None:
            return known
        # Another worker may be faster, and makes the same.
        with contextlib.suppress(DuplicateKeyError):
            self.weeks.insert_one(_new_distribution(week, now))
        document = self.weeks.find_one({"week_start": week.start})
        return distribution_of(document or _new_distribution(week, now), archived=False)

    @reaching
    def reset_week(self, week: Week, now: datetime) -> None:
        """Under the id that it had, by which its rewards are found."""
        selected, fresh = {"week_start": week.start}, _new_distribution(week, now)
        if (archived := self.archive.find_one(selected, {"_id": 1})) is not None:
            fresh["_id"] = archived["_id"]
        self.weeks.replace_one(selected, fresh, upsert=True)
        self.archive.delete_one(selected)

    # --- a week's way ---------------------------------------------------------------------------

    @reaching
    def advance(
        self, week: Week, plan_id: str, from_stage: Stage, to_stage: Stage, **facts: Any
    ) -> bool:
        check_transition(STAGES, str(week), from_stage, to_stage)
        selected = {"week_start": week.start, "plan_id": plan_id, "stage": from_stage.value}
        moved = {
            **UNTRIED,
            **with_hex_roots(distribution_fields(facts)),
            "stage": to_stage.value,
            "status": status_of(to_stage, stopped=False).value,
        }
        return self.weeks.update_one(selected, {"$set": moved}).matched_count == 1

    @reaching
    def stumble(
        self,
        week: Week,
        *,
        reason: str,
        next_attempt_at: datetime,
        attempts: int,
        stopped: bool,
    ) -> None:
        facts = {
            "reason": {"$literal": reason},
            "next_attempt_at": next_attempt_at,
            "attempts": attempts,
            "stopped": stopped,
            "status": status_expression(stopped=stopped),
        }
        self.weeks.update_one({"week_start": week.start}, [{"$set": facts}])

    @reaching
    def approve(self, week: Week) -> None:
        facts = {"approved": True, "next_attempt_at": None}
        self.weeks.update_one({"week_start": week.start}, {"$set": facts})

    @reaching
    def requeue(self, week: Week, now: datetime) -> int:
        facts = {**UNTRIED, "status": status_expression(stopped=False)}
        before = self.weeks.find_one_and_update({"week_start": week.start}, [{"$set": facts}])
        if before is None:
            return 0
        known = distribution_of(before, archived=False)
        waiting = int(known.stopped or known.next_attempt_at is not None)
        if known.plan_id is None:
            return waiting
        return waiting + self._requeue_payouts(known.plan_id, now)

    def _requeue_payouts(self, plan_id: str, now: datetime) -> int:
        payouts = self.payout_batches.update_many(
            {
                "plan_id": plan_id,
                "kind": {"$ne": PayoutKind.ANCHOR.value},
                "status": {"$in": UNRESOLVED},
            },
            {"$set": {"attempts": 0, "next_attempt_at": now}},
        )
        rewards = self.token_rewards.update_many(
            {
                "plan_id": plan_id,
                "route": Route.WAITING.value,
                "status": {"$ne": Status.COMPLETED.value},
                "operator_hold": None,
            },
            {"$set": {"status": Status.PENDING.value, "next_attempt_at": now}},
        )
        return payouts.matched_count + rewards.matched_count

    # --- for people -----------------------------------------------------------------------------

    @reaching
    def record_notes(self, week: Week, **facts: Any) -> None:
        if facts:
            self.weeks.update_one({"week_start": week.start}, {"$set": facts})

    @reaching
    def notes(self, week: Week) -> Mapping[str, Any]:
        for collection, archived in ((self.weeks, False), (self.archive, True)):
            document = collection.find_one({"week_start": week.start}, _NOT_FOR_READERS)
            if document is not None:
                return document | {"archived": archived}
        return {}


def _new_distribution(week: Week, now: datetime) -> Document:
    return {
        "week_start": week.start,
        "week_end": week.end,
        **with_longs(NO_TOTALS),
        "distribution_tx_hash": None,
        "status": status_of(Stage.DUE, stopped=False).value,
        "started_at": None,
        "completed_at": None,
        "created_at": now,
        "week": week.id,
        "plan_id": None,
        "stage": Stage.DUE.value,
        "header": None,
        "root": None,
        "held_root": None,
        "approved": False,
        **UNTRIED,
    }
