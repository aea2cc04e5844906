"""Counts and sums of a plan's rewards and payouts, by state."""

from __future__ import annotations

from typing import Any

from worker.adapters.mongo.base import UNRESOLVED, MongoPart, integer_sum
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import Route
from worker.adapters.mongo.payout.rewards import unresolved_payments, waiting
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.records import PayoutKind, Progress, Tally

_FROZEN = [stage.value for stage in Stage if stage.is_frozen]
_AMOUNT = "$amount_base_units"
_COUNTED = {"$sum": 1}


class MongoProgress(MongoPart):
    """Implements the part of `worker.ports.payout.PayoutStore` about counts and sums."""

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
        resolved = dict.fromkeys(PayoutStatus, 0)
        for group in self._payout_groups(plan_id):
            kind, state = group["_id"]["kind"], PayoutStatus(group["_id"]["status"])
            if kind == PayoutKind.BATCH:
                batches[state] += group["count"]
            if kind != PayoutKind.ANCHOR:
                resolved[state] += group["count"]
            fees += integer_sum("fees", group["fees"])
            signatures += group["signatures"]
            times.append(group["next_attempt_at"])
        known_times = [time for time in times if time is not None]
        return Progress(
            rewards=tallies,
            payouts=batches,
            held=held,
            next_attempt_at=min(known_times, default=None),
            fees=Lamports(fees),
            signatures=signatures,
            paid=resolved[PayoutStatus.PAID],
            void=resolved[PayoutStatus.VOID],
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

    def outstanding(self) -> tuple[BaseUnits, int]:
        """The amount and number of unresolved payouts, and of rewards that wait to be paid alone.

        Each unpaid reward is counted once. Between two writes of a settlement, a reward may be
        counted twice. So the result may exceed the debt, but is never below it.
        """
        plans = {"$in": self.installed_plans(stage={"$in": _FROZEN})}
        group = {"_id": None, "count": _COUNTED, "amount": {"$sum": _AMOUNT}}
        owed = Tally(0, BaseUnits(0))
        for collection, selected in (
            (self.payout_batches, unresolved_payments(plans)),
            (self.token_rewards, waiting(plans)),
        ):
            for found in self._groups(collection, selected, group):
                owed = _plus(owed, _tally(found))
        return owed.amount, owed.count

    def batch_counts(self, plan_id: str) -> dict[PayoutStatus, int]:
        counts = dict.fromkeys(PayoutStatus, 0)
        selected = {"plan_id": plan_id, "kind": PayoutKind.BATCH.value}
        group = {"_id": "$status", "count": _COUNTED}
        for found in self._groups(self.payout_batches, selected, group):
            counts[PayoutStatus(found["_id"])] = found["count"]
        return counts

    def _groups(self, collection: Any, selected: Document, group: Document) -> list[Document]:
        return list(collection.aggregate([{"$match": selected}, {"$group": group}]))


def _if(condition: Document, value: str) -> Document:
    return {"$cond": [condition, value, None]}


def _tally(group: Document) -> Tally:
    return Tally(group["count"], BaseUnits(integer_sum("rewards", group["amount"])))


def _plus(one: Tally, other: Tally) -> Tally:
    return Tally(one.count + other.count, BaseUnits(one.amount + other.amount))
