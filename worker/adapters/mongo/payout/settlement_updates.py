"""The updates that record how the chain resolved a payout: on its rewards, and on the payout."""

from __future__ import annotations

from datetime import datetime

from bson import Int64
from pymongo import UpdateMany, UpdateOne

from worker.adapters.mongo.base import UNRESOLVED
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import Route
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.payout.advice import BATCH_VOIDED, SINGLE_VOIDED
from worker.core.payout.records import Payout, PayoutKind, Settlement

_UNPAID = {"$ne": Status.COMPLETED.value}

Update = UpdateOne | UpdateMany


def rewards_of(payout: Payout, sizes: dict[str, int]) -> Document:
    """Selects the rewards that a payout pays. Positions are indexed, so a batch selects by position
    first, then by its number and route."""
    if payout.kind is PayoutKind.SINGLE:
        return {"plan_id": payout.plan_id, "position": payout.index}
    first = payout.index * sizes.get(payout.plan_id, payout.rewards)
    return {
        "plan_id": payout.plan_id,
        "position": {"$gte": first, "$lt": first + payout.rewards},
        "batch": payout.index,
        "route": Route.BATCH.value,
    }


def reward_updates(settlement: Settlement, sizes: dict[str, int], now: datetime) -> list[Update]:
    payout = settlement.payout
    if payout.kind is PayoutKind.ANCHOR:
        return []
    rewards = rewards_of(payout, sizes)
    if settlement.status is PayoutStatus.PAID:
        return [UpdateMany(rewards, _paid(settlement, now))]
    if payout.kind is PayoutKind.SINGLE:
        facts: Document = {"status": Status.FAILED.value, "reason": SINGLE_VOIDED}
    else:
        facts = {
            "status": Status.PENDING.value,
            "reason": BATCH_VOIDED,
            "route": Route.WAITING.value,
            "next_attempt_at": None,
        }
    return [UpdateMany({**rewards, "status": _UNPAID}, {"$set": facts})]


def _paid(settlement: Settlement, now: datetime) -> Document | list[Document]:
    """The update of a paid reward. A repeated settlement may add the signature. Without the chain's
    date it keeps the first one: by a pipeline, which costs the engine half as much again."""
    facts = {
        "status": Status.COMPLETED.value,
        "reason": None,
        "next_attempt_at": None,
        **_known(transaction_signature=settlement.signature, slot=settlement.slot),
    }
    if settlement.landed_at is not None:
        return {"$set": {**facts, "claimed_at": settlement.landed_at}}
    return [{"$set": {**facts, "claimed_at": {"$ifNull": ["$claimed_at", now]}}}]


def settled(settlement: Settlement) -> Update:
    selected = {
        "plan_id": settlement.payout.plan_id,
        "id": settlement.payout.id,
        "status": {"$in": [*UNRESOLVED, settlement.status.value]},
    }
    facts = {
        "status": settlement.status.value,
        "lease": None,
        **({"verified": True} if settlement.verified else {}),
        **_known(signature=settlement.signature, slot=settlement.slot, fee=settlement.fee),
    }
    if settlement.missing is None:
        return UpdateOne(selected, {"$set": {**facts, "next_attempt_at": None, "reason": None}})
    return UpdateOne(selected, [{"$set": facts | _read_again(settlement)}])


def _read_again(settlement: Settlement) -> Document:
    """The next look for a transaction, unless another worker has read all of it meanwhile."""
    is_incomplete = {"$or": [{"$eq": ["$signature", None]}, {"$ne": ["$reason", None]}]}
    changed = {
        "reason": {"$literal": settlement.missing},
        "next_attempt_at": settlement.next_look_at,
        "attempts": {"$add": ["$attempts", 1]} if settlement.payout.status.is_resolved else 1,
    }
    return {n: {"$cond": [is_incomplete, value, f"${n}"]} for n, value in changed.items()}


def _known(**facts: str | int | None) -> Document:
    """The facts that are known, numbers as BSON longs."""
    known = {name: value for name, value in facts.items() if value is not None}
    return {n: Int64(v) if isinstance(v, int) else v for n, v in known.items()}
