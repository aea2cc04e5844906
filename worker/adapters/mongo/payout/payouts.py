"""Claims payouts, records their attempts, and writes how the chain resolved them.

A settlement writes the rewards before their payout. A crash in between leaves an unresolved payout,
which a worker claims and settles again. The other order would leave unpaid rewards unseen.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from pymongo import UpdateMany, UpdateOne

from worker.adapters.mongo.base import RESOLVED, UNRESOLVED, MongoPart, due_by, within
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout.documents import attempt_document, payout_of
from worker.adapters.mongo.payout.settlement_updates import (
    Update,
    reward_updates,
    rewards_of,
    settled,
)
from worker.core.lifecycle import IllegalTransition, PayoutStatus, Status
from worker.core.payout.backoff import AHEAD_MAX
from worker.core.payout.records import Attempt, Payout, PayoutKind, Postponement, Settlement

SIGNATURES_KEPT = 20

# If a batch is signed again, its rewards are processing already and need no write.
_NOT_YET = [Status.PENDING.value, Status.FAILED.value]
_ORDER = [("kind", 1), ("index", 1)]


class MongoPayouts(MongoPart):
    """Implements the part of `worker.ports.payout.PayoutStore` about payouts."""

    def claim(
        self, plan_id: str, positions: range, limit: int, *, now: datetime, until: datetime
    ) -> list[Payout]:
        if limit <= 0:
            return []
        selected = _claimable(plan_id, now) | {"index": within(positions)}
        found = self.payout_batches.find(selected, {"_id": 1}).sort(_ORDER).limit(limit)
        ids = [document["_id"] for document in found]
        if not ids:
            return []
        token = uuid.uuid4().hex
        lease = {"$set": {"lease": {"token": token, "until": until}}}
        # One update for each payout, in one message. On DocumentDB, `update_many` checks its
        # condition only before it waits for another worker's write, so both workers would claim.
        self.payout_batches.bulk_write(
            [UpdateOne({**selected, "_id": id_}, lease) for id_ in ids], ordered=False
        )
        leased = self.payout_batches.find({"_id": {"$in": ids}, "lease.token": token}).sort(_ORDER)
        return [payout_of(document) for document in leased]

    def release(self, payouts: Sequence[Payout]) -> None:
        for plan_id, ids in _ids_by_plan(payouts):
            self.payout_batches.update_many(
                {"plan_id": plan_id, "id": {"$in": ids}, "status": {"$in": UNRESOLVED}},
                {"$set": {"lease": None}},
            )

    def payout(self, plan_id: str, payout_id: str) -> Payout | None:
        document = self.payout_batches.find_one({"plan_id": plan_id, "id": payout_id})
        return None if document is None else payout_of(document)

    def payouts_after(self, plan_id: str, after_id: str, limit: int) -> list[Payout]:
        selected = {"plan_id": plan_id, "id": {"$gt": after_id}}
        found = self.payout_batches.find(selected).sort("id", 1).limit(limit)
        return [payout_of(document) for document in found]

    def unread(
        self, plan_id: str, after_id: str, limit: int, *, due: datetime | None
    ) -> list[Payout]:
        selected: Document = {
            "plan_id": plan_id,
            "id": {"$gt": after_id},
            "status": {"$in": RESOLVED},
        }
        has_reason = {"reason": {"$gt": ""}}  # a range of texts, which the index serves
        if due is not None:
            selected |= {**has_reason, **due_by(due)}
        else:
            selected["$or"] = [has_reason, {"signature": None}]
        found = self.payout_batches.find(selected).sort("id", 1).limit(limit)
        return [payout_of(document) for document in found]

    def order_void(self, payout: Payout, reason: str) -> bool:
        facts = {"void_reason": reason, "attempts": 0, "next_attempt_at": None}
        batch = {"plan_id": payout.plan_id, "id": payout.id, "kind": PayoutKind.BATCH.value}
        unresolved = {"status": {"$in": UNRESOLVED}}
        return self.payout_batches.update_one(batch | unresolved, {"$set": facts}).matched_count > 0

    def void_orders(self, plan_id: str, ids: Sequence[str]) -> set[str]:
        selected = {"plan_id": plan_id, "id": {"$in": list(ids)}, "void_reason": {"$ne": None}}
        return {document["id"] for document in self.payout_batches.find(selected, {"id": 1})}

    def open_ranges(self, plan_id: str, size: int, now: datetime) -> list[range]:
        start = {"$subtract": ["$index", {"$mod": ["$index", size]}]}
        stages: list[Document] = [
            {"$match": _claimable(plan_id, now)},
            {"$group": {"_id": start}},
            {"$sort": {"_id": 1}},
        ]
        found = self.payout_batches.aggregate(stages)
        return [range(int(each["_id"]), int(each["_id"]) + size) for each in found]

    # --- attempts and settlements ---------------------------------------------------------------

    def record_attempts(self, attempts: Sequence[tuple[Payout, Attempt]]) -> None:
        if not attempts:
            return
        signed = [_attempt_update(payout, attempt) for payout, attempt in attempts]
        self.payout_batches.bulk_write(signed, ordered=False)

    def mark_processing(self, payouts: Sequence[Payout]) -> None:
        processing = {"$set": {"status": Status.PROCESSING.value}}
        resolved = self._resolved(payouts)
        sizes = self._batch_sizes(payouts)
        rewards: list[Update] = [
            UpdateMany({**rewards_of(payout, sizes), "status": {"$in": _NOT_YET}}, processing)
            for payout in payouts
            if payout.kind is not PayoutKind.ANCHOR and _key(payout) not in resolved
        ]
        if rewards:
            self.token_rewards.bulk_write(rewards, ordered=False)

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """
        Raises:
            IllegalTransition: the chain contradicts a stored final state. All others are settled.
        """
        wanted = {_key(s.payout): s.status.value for s in settlements}
        resolved = self._resolved([s.payout for s in settlements])
        contradicted = {key: status for key, status in resolved.items() if status != wanted[key]}
        sound = [s for s in settlements if _key(s.payout) not in contradicted]
        sizes = self._batch_sizes(s.payout for s in sound)
        rewards = [update for s in sound for update in reward_updates(s, sizes, now)]
        if rewards:
            self.token_rewards.bulk_write(rewards, ordered=False)
        if sound:
            self.payout_batches.bulk_write([settled(s) for s in sound], ordered=False)
        for settlement in sound:
            if settlement.payout.kind is PayoutKind.ANCHOR and settlement.signature is not None:
                self._record_anchor(settlement.payout.plan_id, settlement.signature)
        for settlement in settlements:
            if (current := contradicted.get(_key(settlement.payout))) is not None:
                raise IllegalTransition(settlement.payout.id, current, settlement.status.value)

    def _record_anchor(self, plan_id: str, signature: str) -> None:
        for collection in (self.weeks, self.archive):
            collection.update_one(
                {"plan_id": plan_id}, {"$set": {"distribution_tx_hash": signature}}
            )

    def _resolved(self, payouts: Sequence[Payout]) -> dict[tuple[str, str], str]:
        """Stored final states of these payouts, by plan and id."""
        found: dict[tuple[str, str], str] = {}
        for plan_id, ids in _ids_by_plan(payouts):
            selected = {"plan_id": plan_id, "id": {"$in": ids}, "status": {"$nin": UNRESOLVED}}
            for document in self.payout_batches.find(selected, {"id": 1, "status": 1}):
                found[plan_id, document["id"]] = document["status"]
        return found

    def postpone(self, postponements: Sequence[Postponement]) -> None:
        updates: list[Update] = [
            _update_open(
                each.payout,
                {"next_attempt_at": each.next_attempt_at, "reason": each.reason, "lease": None},
                {"$inc": {"attempts": int(each.is_failure)}},
            )
            for each in postponements
        ]
        if updates:
            self.payout_batches.bulk_write(updates, ordered=False)

    def _batch_sizes(self, payouts: Iterable[Payout]) -> dict[str, int]:
        """The number of rewards in a full batch, by plan. The first batch of a plan is full."""
        plans = {p.plan_id for p in payouts if p.kind is PayoutKind.BATCH}
        selected = {"plan_id": {"$in": list(plans)}, "kind": PayoutKind.BATCH.value, "index": 0}
        found = self.payout_batches.find(selected, {"plan_id": 1, "rewards": 1}) if plans else ()
        return {document["plan_id"]: document["rewards"] for document in found}


def _claimable(plan_id: str, now: datetime) -> Document:
    """Unresolved, due and without a lease. An operator's hold keeps back unsigned payouts only. A
    signed payout may still land, so it must be settled."""
    ended = [{"lease.until": {"$lte": now}}, {"lease.until": {"$gt": now + AHEAD_MAX}}]
    free = {"$or": [{"lease": None}, *ended]}
    not_held_back = {"$or": [{"operator_hold": None}, {"attempt": {"$ne": None}}]}
    return {
        "plan_id": plan_id,
        "status": {"$in": UNRESOLVED},
        "kind": {"$in": [PayoutKind.BATCH.value, PayoutKind.SINGLE.value]},
        "$and": [due_by(now), free, not_held_back],
    }


def _key(payout: Payout) -> tuple[str, str]:
    return payout.plan_id, payout.id


def _ids_by_plan(payouts: Sequence[Payout]) -> Iterable[tuple[str, list[str]]]:
    by_plan: defaultdict[str, list[str]] = defaultdict(list)
    for payout in payouts:
        by_plan[payout.plan_id].append(payout.id)
    return by_plan.items()


def _update_open(payout: Payout, facts: Document, more: Document) -> Update:
    """Set these facts of an unresolved payout, and apply more operators."""
    selected = {"plan_id": payout.plan_id, "id": payout.id, "status": {"$in": UNRESOLVED}}
    return UpdateOne(selected, {"$set": facts, **more})


def _attempt_update(payout: Payout, attempt: Attempt) -> Update:
    status = PayoutStatus.PROCESSING.value
    facts = {"attempt": attempt_document(attempt), "status": status, "next_attempt_at": None}
    newest = {"$each": [attempt.signature], "$slice": -SIGNATURES_KEPT}
    return _update_open(payout, facts, {"$push": {"signatures": newest}})
