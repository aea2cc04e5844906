"""Documents like the wiki's own, for fakes and for real databases."""

from __future__ import annotations

import itertools
import struct
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

_counter = itertools.count(2**32)
"""Larger than any number that a test chooses."""


def object_id(moment: datetime, number: int) -> ObjectId:
    """An ObjectId of this moment; `number` makes it unique."""
    return ObjectId(struct.pack(">IQ", int(moment.timestamp()), number))


def user_document(
    user_id: object, wallet: object = None, *, had_token_account: bool = False, **fields: Any
) -> dict[str, Any]:
    document: dict[str, Any] = {"_id": user_id, **fields}
    if wallet is not None:
        document["wallet_address"] = wallet
    if had_token_account:
        document["token_account_created_at"] = datetime.fromisoformat("2024-01-01T00:00:00Z")
    return document


def contribution_document(
    user_id: object,
    created_at: object,
    *,
    points: object = 100,
    kind: object = "creation",
    recorded_at: datetime | None = None,
    document_id: object = None,
    number: int | None = None,
) -> dict[str, Any]:
    """One contribution. Its ObjectId has the time `recorded_at`, by default `created_at`.

    `number` distinguishes contributions of the same second. The default is a counter.
    """
    if document_id is None:
        moment = recorded_at or created_at
        assert isinstance(moment, datetime)
        document_id = object_id(moment, next(_counter) if number is None else number)
    return {
        "_id": document_id,
        "user_id": user_id,
        "article_id": "507f1f77bcf86cd799439012",
        "type": kind,
        "total_points": points,
        "created_at": created_at,
        "updated_at": created_at,
    }


def stake_document(
    user_id: object,
    start: datetime,
    *,
    days: int = 90,
    amount: object = 1000.0,
    multiplier: object = 1.3,
    unstaked_at: datetime | None = None,
    status: str = "active",
) -> dict[str, Any]:
    document = {
        "user_id": user_id,
        "amount": amount,
        "duration_days": days,
        "apy_rate": 0.12,
        "multiplier": multiplier,
        "start_date": start,
        "end_date": start + timedelta(days=days),
        "status": status,
        "stake_tx_hash": None,
        "unstake_tx_hash": None,
        "rewards_earned": 0.0,
        "created_at": start,
        "updated_at": start,
    }
    return document if unstaked_at is None else document | {"unstaked_at": unstaked_at}
