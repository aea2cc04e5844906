"""Rewards: what is paid alone, held, redirected, and what a plan still owes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from worker.adapters.mongo.base import (
    UNRESOLVED,
    MongoPart,
    due_by,
    integer_sum,
    stored_forms,
)
from worker.adapters.mongo.connection import Document, reaching
from worker.adapters.mongo.names import ACCOUNT_MADE_AT, Route
from worker.adapters.mongo.payout.documents import reward_of
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.records import PayoutKind, Progress, Reward, Tally
from worker.core.week import Week

CHUNK_IDS = 1000
_UNPAID = {"$ne": Status.COMPLETED.value}
_FROZEN = [stage.value for stage in Stage if stage.is_frozen]
_AMOUNT = "$amount_base_units"
_COUNTED = {"$sum": 1}


class MongoRewards(MongoPart):
    """Implements the rewards' half of `worker.ports.payout.PayoutStore`."""

    @reaching
    def rewards(self, plan_id: str, positions: range) -> list[Reward]:
        selected = {
            "plan_id": plan_id,
            "position": {"$gte": positions.start, "$lt": positions.stop},
        }
        return self._read(selected, sort="position")

    @reaching
    def reward(self, week: Week, user_id: str) -> Reward | None:
        if (plan_id := self._plan_of(week)) is None:
            return None
        selected = {"plan_id": plan_id, "user_id": canonical_user_id(user_id)}
        document = self.token_rewards.find_one(selected)
        return None if document is None else reward_of(document)

    def _plan_of(self, week: Week) -> str | None:
        for collection in (self.weeks, self.archive):
            document = collection.find_one({"week_start": week.start}, {"plan_id": 1})
            if document is not None:
                return document.get("plan_id")
        return None

    @reaching
    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        if limit <= 0:
            return []
        selected = {**_waiting(plan_id), "operator_hold": None, **due_by(now)}
        found = self.token_rewards.find(selected)
        ordered = found.sort([("next_attempt_at", 1), ("position", 1)]).limit(limit)
        return [reward_of(document) for document in ordered]

    @reaching
    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        facts = {"status": status.value, "reason": reason, "next_attempt_at": next_attempt_at}
        self.token_rewards.update_one({**_one(reward), "status": _UNPAID}, {"$set": facts})

    @reaching
    def redirect(self, reward: Reward, wallet: str, now: datetime) -> None:
        changed = self.token_rewards.update_one(
            {**_one(reward), "status": _UNPAID, "route": {"$ne": Route.BATCH.value}},
            {"$set": {"redirected_to": wallet, "next_attempt_at": now}},
        )
        if changed.matched_count:
            facts = {"wallet": wallet, "next_attempt_at": now}
            self.payout_batches.update_one(_open_single(reward), {"$set": facts})

    @reaching
    def hold(self, reward: Reward, reason: str | None) -> None:
        """The reward first, its payout second: see `MongoPlans.write_payouts`."""
        held = {"$set": {"operator_hold": reason}}
        changed = self.token_rewards.update_one({**_one(reward), "status": _UNPAID}, held)
        if changed.matched_count:
            self.payout_batches.update_one(_open_single(reward), held)

    # --- token accounts -------------------------------------------------------------------------

    @reaching
    def mark_accounts_made(self, user_ids: Sequence[str], now: datetime) -> None:
        for chunk in chunks(user_ids, CHUNK_IDS):
            forms = [form for user_id in chunk for form in stored_forms(user_id)]
            self.users.update_many(
                {"_id": {"$in": forms}, ACCOUNT_MADE_AT: None}, {"$set": {ACCOUNT_MADE_AT: now}}
            )

    @reaching
    def rewards_needing_account(
        self, plan_id: str, after_position: int, limit: int
    ) -> list[Reward]:
        if limit <= 0:
            return []
        selected = {**_needing_account(plan_id), "position": {"$gt": after_position}}
        return self._read(selected, sort="position", limit=limit)

    @reaching
    def count_needing_account(self, plan_id: str) -> int:
        return self.token_rewards.count_documents(_needing_account(plan_id))

    @reaching
    def accounts_made_since(self, moment: datetime) -> int:
        return self.users.count_documents({ACCOUNT_MADE_AT: {"$gte": moment}})

    # --- sums -----------------------------------------------------------------------------------

    @reaching
    def progress(self, plan_id: str) -> Progress:
        tallies = dict.fromkeys(Status, Tally(0, BaseUnits(0)))
        held, times, batches = Tally(0, BaseUnits(0)), [], dict.fromkeys(PayoutStatus, 0)
        for group in self._reward_groups(plan_id):
            status, tally = Status(group["_id"]["status"]), _tally(group)
            tallies[status] = _plus(tallies[status], tally)
            if group["_id"]["route"] == Route.WAITING and status is not Status.COMPLETED:
                held = _plus(held, tally)
                times.append(group["next_attempt_at"])
        fees = signatures = 0
        for group in self._payout_groups(plan_id):
            if group["_id"]["kind"] == PayoutKind.BATCH:
                batches[PayoutStatus(group["_id"]["status"])] += group["count"]
            fees += integer_sum("fees", group["fees"])
            signatures += group["signatures"]
            times.append(group["next_attempt_at"])
        known_times = [time for time in times if time is not None]
        return Progress(
            rewards=tallies,
            payouts=batches,
            held=held,
            next_attempt_at=min(known_times) if known_times else None,
            fees=Lamports(fees),
            signatures=signatures,
        )

    def _reward_groups(self, plan_id: str) -> list[Document]:
        free = {"$eq": ["$operator_hold", None]}
        group = {
            "_id": {"status": "$status", "route": "$route"},
            "count": _COUNTED,
            "amount": {"$sum": _AMOUNT},
            "next_attempt_at": {"$min": _if(free, "$next_attempt_at")},
        }
        return self._groups(self.token_rewards, {"plan_id": plan_id}, group)

    def _payout_groups(self, plan_id: str) -> list[Document]:
        held_back = {"$and": [{"$ne": ["$operator_hold", None]}, {"$eq": ["$attempt", None]}]}
        is_open = {
            "$and": [
                {"$in": ["$status", UNRESOLVED]},
                {"$ne": ["$kind", PayoutKind.ANCHOR.value]},
                {"$not": [held_back]},
            ]
        }
        group = {
            "_id": {"kind": "$kind", "status": "$status"},
            "count": _COUNTED,
            "fees": {"$sum": "$fee"},
            "signatures": {"$sum": {"$cond": [{"$eq": ["$signature", None]}, 0, 1]}},
            "next_attempt_at": {"$min": _if(is_open, "$next_attempt_at")},
        }
        return self._groups(self.payout_batches, {"plan_id": plan_id}, group)

    @reaching
    def outstanding(self) -> tuple[BaseUnits, int]:
        """Payouts that are not resolved, and rewards that wait to be paid alone.

        Each unpaid reward is in one of the two, except between two writes of a settlement, when
        it is in both: then this says more than is owed, never less.
        """
        frozen = {"stage": {"$in": _FROZEN}}
        weeks = [d for c in (self.weeks, self.archive) for d in c.find(frozen, {"plan_id": 1})]
        plans = {"$in": [week["plan_id"] for week in weeks if week.get("plan_id")]}
        payouts = {
            "plan_id": plans,
            "status": {"$in": UNRESOLVED},
            "kind": {"$ne": PayoutKind.ANCHOR.value},
        }
        group = {"_id": None, "count": _COUNTED, "amount": {"$sum": _AMOUNT}}
        owed = Tally(0, BaseUnits(0))
        for collection, selected in (
            (self.payout_batches, payouts),
            (self.token_rewards, _waiting(plans)),
        ):
            for found in self._groups(collection, selected, group):
                owed = _plus(owed, _tally(found))
        return owed.amount, owed.count

    @reaching
    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        counts = dict.fromkeys(PayoutStatus, 0)
        selected = {"plan_id": plan_id, "kind": PayoutKind.BATCH.value}
        group = {"_id": "$status", "count": _COUNTED}
        for found in self._groups(self.payout_batches, selected, group):
            counts[PayoutStatus(found["_id"])] = found["count"]
        return counts

    def _groups(self, collection: Any, selected: Document, group: Document) -> list[Document]:
        return list(collection.aggregate([{"$match": selected}, {"$group": group}]))

    def _read(self, selected: Document, *, sort: str, limit: int = 0) -> list[Reward]:
        found = self.token_rewards.find(selected).sort(sort, 1).limit(limit)
        return [reward_of(document) for document in found]


def _waiting(plan_id: str | Document) -> Document:
    return {"plan_id": plan_id, "route": Route.WAITING.value, "status": _UNPAID}


def _needing_account(plan_id: str) -> Document:
    return {"plan_id": plan_id, "needs_account": True}


def _one(reward: Reward) -> Document:
    return {"plan_id": reward.plan_id, "position": reward.position}


def _open_single(reward: Reward) -> Document:
    return {
        "plan_id": reward.plan_id,
        "kind": PayoutKind.SINGLE.value,
        "index": reward.position,
        "status": {"$in": UNRESOLVED},
    }


def _if(condition: Document, value: str) -> Document:
    return {"$cond": [condition, value, None]}


def _tally(group: Document) -> Tally:
    return Tally(group["count"], BaseUnits(integer_sum("rewards", group["amount"])))


def _plus(one: Tally, other: Tally) -> Tally:
    return Tally(one.count + other.count, BaseUnits(one.amount + other.amount))
