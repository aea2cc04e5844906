"""Converts records to documents and back. Amounts, points and weights are BSON longs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import lru_cache

from bson import Int64

from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import ADOPTED, Route
from worker.adapters.mongo.payout.historic import historic_week
from worker.core.lifecycle import PayoutStatus, Stage, Status, status_of
from worker.core.money import BaseUnits
from worker.core.payout.records import Attempt, Distribution, Payout, PayoutKind, PlanNotes, Reward
from worker.core.plan.commitment import Row
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import BatchId, Resolution
from worker.core.plan.totals import NO_TOTALS, plan_totals, reward_figures
from worker.core.week import Week

UNTRIED: Document = {"attempts": 0, "next_attempt_at": None, "reason": None, "stopped": False}
"""The fields of a distribution that has not failed in its current stage."""

# --- distributions -----------------------------------------------------------------------------


def new_distribution(week: Week, now: datetime) -> Document:
    """A distribution that has no plan yet."""
    return {
        "week_start": week.start,
        "week_end": week.end,
        **_with_longs(NO_TOTALS),
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


def plan_fields(plan: PlannedWeek) -> Document:
    """A plan's fields on a distribution. Roots are hex text, so that a person can compare them."""
    return {
        **_with_longs(plan_totals(plan.header)),
        "distribution_tx_hash": None,
        "status": status_of(plan.stage, stopped=False).value,
        "completed_at": None,
        "plan_id": plan.plan_id,
        "stage": plan.stage.value,
        "header": plan.header.canonical(),
        "root": plan.root.hex(),
        "held_root": plan.held_root.hex(),
        "approved": plan.approved,
        **UNTRIED,
    }


def _with_longs(totals: Document) -> Document:
    """The totals, with points and amounts as BSON longs."""
    names = ("total_points", "total_amount_base_units")
    return totals | {name: Int64(totals[name]) for name in names}


def distribution_of(document: Document, *, archived: bool, is_paid: bool = False) -> Distribution:
    """Read a distribution. Distributions from before this system have a status, but no stage.

    `is_paid`: see `historic_week`.
    """
    week = Week.containing(document["week_start"])
    historic = historic_week(document, is_paid=is_paid)
    header = document.get("header")
    return Distribution(
        week=week,
        stage=Stage(document.get("stage") or (Stage.COMPLETED if historic else Stage.DUE)),
        plan_id=document.get("plan_id"),
        header=None if header is None else bytes(header),
        root=_from_hex(document.get("root")),
        held_root=_from_hex(document.get("held_root")),
        signature=document.get("distribution_tx_hash"),
        approved=bool(document.get("approved")),
        attempts=document.get("attempts") or 0,
        next_attempt_at=document.get("next_attempt_at"),
        reason=document.get("reason"),
        stopped=bool(document.get("stopped")),
        created_at=document.get("created_at"),
        completed_at=document.get("completed_at"),
        archived=archived,
        historic=historic,
    )


def adopted(document: Document, now: datetime) -> Document:
    """The fields that make a distribution ours which another system left undone."""
    created_at = document.get("created_at")
    known = created_at if isinstance(created_at, datetime) else now
    return {**new_distribution(Week.containing(document["week_start"]), known), ADOPTED: True}


def _from_hex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def status_expression(*, stopped: bool) -> Document:
    """A server-side expression: the owner's status of a distribution, computed from its stage."""
    branches = [
        {"case": {"$eq": ["$stage", stage.value]}, "then": status_of(stage, stopped=stopped).value}
        for stage in Stage
    ]
    return {"$switch": {"branches": branches, "default": "$status"}}


def notes_document(notes: PlanNotes) -> Document:
    lists = {
        "malformed": [{"_id": each.id, "reason": each.reason} for each in notes.malformed],
        "unusable_stakes": [asdict(each) for each in notes.unusable_stakes],
        "excluded_users": [asdict(each) for each in notes.excluded_users],
        "after_cutoff": list(notes.after_cutoff),
    }
    return asdict(notes) | lists


# --- rewards -----------------------------------------------------------------------------------


def reward_document(
    reward: Reward, week: Week, distribution_id: str, created_at: datetime
) -> Document:
    """A row of a plan as a `token_rewards` document: the owner's fields, then ours."""
    row = reward.row
    return {
        "user_id": reward.user_id,
        "weekly_distribution_id": distribution_id,
        "week_start": week.start,
        "week_end": week.end,
        "total_points": Int64(row.points),
        **reward_figures(row.amount, reward.multiplier),
        "transaction_signature": reward.signature,
        "status": reward.status.value,
        "claimed_at": None,
        "created_at": created_at,
        "plan_id": reward.plan_id,
        "position": reward.position,
        "batch": int(row.batch.rpartition("/")[2]) if row.batch else None,
        "amount_base_units": Int64(row.amount),
        "staking_multiplier_micros": Int64(reward.multiplier),
        "weight": Int64(row.weight),
        "user_commitment": row.user.hex(),
        "wallet_address": row.wallet,
        "late_points": Int64(reward.late_points),
        "route": (Route.BATCH if row.batch else Route.WAITING).value,
        "needs_account": reward.needs_account,
        "reason": reward.reason,
        "slot": None,
        "redirected_to": reward.redirected_to,
        "operator_hold": reward.operator_hold,
        "next_attempt_at": None,
    }


_ROW = "user_commitment wallet_address total_points weight amount_base_units batch week_start"
ROW_FIELDS = dict.fromkeys(_ROW.split(), 1)
"""The fields that `row_of` reads."""


@lru_cache(maxsize=16, typed=True)
def _batch_id(week_start: datetime, batch: int) -> str:
    """The id of a batch. Its rows are read one after the other."""
    return str(BatchId(Week.containing(week_start), batch))


def row_of(document: Document) -> Row:
    batch = document["batch"]
    return Row(
        user=bytes.fromhex(document["user_commitment"]),
        wallet=document["wallet_address"],
        points=int(document["total_points"]),
        weight=int(document["weight"]),
        amount=BaseUnits(int(document["amount_base_units"])),
        batch="" if batch is None else _batch_id(document["week_start"], batch),
    )


def reward_of(document: Document) -> Reward:
    return Reward(
        plan_id=document["plan_id"],
        position=document["position"],
        user_id=document["user_id"],
        row=row_of(document),
        late_points=int(document["late_points"]),
        multiplier=int(document["staking_multiplier_micros"]),
        status=Status(document["status"]),
        reason=document["reason"],
        signature=document["transaction_signature"],
        needs_account=document["needs_account"],
        redirected_to=document["redirected_to"],
        operator_hold=document["operator_hold"],
        paid_at=document["claimed_at"],
    )


# --- payouts -----------------------------------------------------------------------------------


def payout_document(payout: Payout, root: bytes) -> Document:
    attempt = None if payout.attempt is None else attempt_document(payout.attempt)
    return {
        "id": payout.id,
        "plan_id": payout.plan_id,
        "week": payout.week.id,
        "kind": payout.kind.value,
        "index": payout.index,
        "rewards": payout.rewards,
        "amount_base_units": Int64(payout.amount),
        "rows_root": root,
        "status": payout.status.value,
        "attempt": attempt,
        "signatures": [],
        "attempts": payout.attempts,
        "next_attempt_at": payout.next_attempt_at,
        "lease": None,
        "reason": payout.reason,
        "signature": payout.signature,
        "slot": None if payout.slot is None else Int64(payout.slot),
        "fee": None,
        "verified": False,
        "wallet": payout.wallet,
        "operator_hold": None,
        "void_reason": payout.void_reason,
    }


def payout_of(document: Document) -> Payout:
    attempt, slot = document["attempt"], document["slot"]
    return Payout(
        id=document["id"],
        plan_id=document["plan_id"],
        week=Week.parse(document["week"]),
        kind=PayoutKind(document["kind"]),
        index=document["index"],
        rewards=document["rewards"],
        amount=BaseUnits(int(document["amount_base_units"])),
        status=PayoutStatus(document["status"]),
        attempt=None if attempt is None else _attempt_of(attempt),
        attempts=document["attempts"],
        next_attempt_at=document["next_attempt_at"],
        reason=document["reason"],
        signature=document["signature"],
        slot=None if slot is None else int(slot),
        wallet=document["wallet"],
        void_reason=document.get("void_reason"),
    )


def attempt_document(attempt: Attempt) -> Document:
    return asdict(attempt) | {
        "resolution": int(attempt.resolution),
        "last_valid_block_height": Int64(attempt.last_valid_block_height),
    }


def _attempt_of(document: Document) -> Attempt:
    return Attempt(
        signature=document["signature"],
        resolution=Resolution(document["resolution"]),
        blockhash=document["blockhash"],
        last_valid_block_height=int(document["last_valid_block_height"]),
        wire=bytes(document["wire"]),
        created_at=document["created_at"],
    )
