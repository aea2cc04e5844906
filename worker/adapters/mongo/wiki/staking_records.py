"""Staking records for the staking commands. Plans read them through `payout.stakes`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo.base import (
    STREAM_BATCH,
    MongoPart,
    by_id,
    canonical_id,
    stored_forms,
    stored_id,
)
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout.stakes import moment_of, stake_span
from worker.adapters.mongo.wiki.documents import amount_fields, read_or_leave_out, stored_amount
from worker.core.money import INT64_MAX, exact_decimal
from worker.core.wiki.interest import accrued_interest
from worker.core.wiki.stake_record import StakeRecord, StakeStatus

TRANSFER = "transfer_key"
"""Field of the transfer behind a stake: unique; missing if the stake has no transfer."""

_ACTIVE = StakeStatus.ACTIVE.value


class MongoStaking(MongoPart):
    """Implements `worker.ports.wiki.StakingStore`."""

    def stakes_of(self, user_id: str) -> list[StakeRecord]:
        found = self.stakes.find({"user_id": {"$in": stored_forms(user_id)}})
        records = [stake_of(document) for document in found]
        return sorted(filter(None, records), key=lambda stake: (stake.start, stake.id))

    def stake(self, stake_id: str) -> StakeRecord | None:
        document = self.stakes.find_one(by_id(stake_id))
        return None if document is None else stake_of(document)

    def transfer_used(self, signature: str) -> bool:
        either = {"$or": [{TRANSFER: signature}, {"stake_tx_hash": signature}]}
        return self.stakes.find_one(either, {"_id": 1}) is not None

    def add_stake(self, stake: StakeRecord, now: datetime) -> StakeRecord | None:
        added = replace(stake, id=str(ObjectId()))
        try:
            self.stakes.insert_one(stake_document(added, now))
        except DuplicateKeyError:
            return None
        return added

    def update_stake(self, stake: StakeRecord, now: datetime) -> bool:
        selected = by_id(stake.id) | {"status": _ACTIVE}
        changed = self.stakes.update_one(selected, {"$set": _course(stake, now)})
        return changed.matched_count == 1

    def active_stakes(self) -> Iterator[StakeRecord]:
        found = self.stakes.find({"status": _ACTIVE}, batch_size=STREAM_BATCH)
        yield from filter(None, map(stake_of, found))

    def staking_users(self) -> Iterator[str]:
        canonical = map(canonical_id, self.stakes.distinct("user_id"))
        yield from dict.fromkeys(filter(None, canonical))


def stake_document(stake: StakeRecord, now: datetime) -> Document:
    """The document of a stake: the owner's fields, then ours."""
    document = {
        "_id": stored_id(stake.id),
        "user_id": stake.user_id,
        **amount_fields(amount=stake.amount),
        "duration_days": stake.days,
        "apy_rate": float(stake.apy),
        "multiplier": float(stake.multiplier),
        "start_date": stake.start,
        "end_date": stake.end,
        "stake_tx_hash": stake.stake_signature,
        "created_at": now,
        "number": stake.number,
        **_course(stake, now),
    }
    if stake.stake_signature is not None:
        document[TRANSFER] = stake.stake_signature
    return document


def _course(stake: StakeRecord, now: datetime) -> Document:
    """The fields of a stake that change over time."""
    return {
        "status": stake.status.value,
        "unstake_tx_hash": stake.unstake_signature,
        "unstaked_at": stake.unstaked_at,
        **amount_fields(rewards_earned=stake.rewards_earned),
        "accrued_through": stake.accrued_through,
        "updated_at": now,
    }


def stake_of(document: Document) -> StakeRecord | None:
    """The record, or None if the document is unreadable or names no user."""
    record = read_or_leave_out("Staking record", _read, document)
    return record if record is not None and record.user_id else None


def _read(document: Document) -> StakeRecord:
    span = stake_span(document)
    record = StakeRecord(
        id=str(document["_id"]),
        user_id=canonical_id(document.get("user_id")),
        amount=stored_amount(document, "amount"),
        days=int(document.get("duration_days") or (span.end - span.start).days),
        apy=exact_decimal(document.get("apy_rate", 0)),
        multiplier=exact_decimal(document.get("multiplier", 1)),
        start=span.start,
        end=span.end,
        number=document.get("number"),
        status=StakeStatus(document["status"]),
        stake_signature=document.get("stake_tx_hash"),
        unstake_signature=document.get("unstake_tx_hash"),
        unstaked_at=span.unstaked_at,
        rewards_earned=stored_amount(document, "rewards_earned"),
        accrued_through=moment_of(document.get("accrued_through")),
    )
    days = max(0, (span.end - span.start).days)
    interest = accrued_interest(record.amount, record.apy, days)
    if not 0 <= interest <= INT64_MAX:
        raise ValueError("its interest is negative or beyond 64 bits")
    return record
