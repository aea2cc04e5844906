"""A wiki's documents, as the wiki itself would insert them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from solders.keypair import Keypair

from worker.core.week import Week


def user_id(number: int) -> ObjectId:
    return ObjectId(hashlib.sha256(f"user {number}".encode()).digest()[:12])


def wallet(number: int) -> str:
    """The wallet of a user: a keypair derived from their number."""
    return str(Keypair.from_seed(hashlib.sha256(f"wallet {number}".encode()).digest()).pubkey())


def add_users(database: Any, numbers: Iterable[int]) -> None:
    documents = [
        {"_id": user_id(i), "username": f"user {i}", "wallet_address": wallet(i)} for i in numbers
    ]
    database.users.insert_many(documents, ordered=False)


def add_contributions(database: Any, count: int, week: Week, *, users: int) -> None:
    """Add one creation per user, spread over the week, each worth 100 to 199 points."""
    documents = [contribution(i, i % users, week) for i in range(count)]
    database.contributions.insert_many(documents, ordered=False)


def contribution(number: int, user: int, week: Week) -> dict[str, Any]:
    moment = week.start + timedelta(seconds=number % (6 * 86_400))
    return {
        "_id": object_id(moment, number),
        "user_id": str(user_id(user)),
        "article_id": "507f1f77bcf86cd799439012",
        "type": "creation",
        "base_points": 100,
        "quality_multiplier": 1.0,
        "reputation_multiplier": 1.0,
        "demand_multiplier": 1.0,
        "total_points": 100 + number % 100,
        "created_at": moment,
        "updated_at": moment,
    }


def object_id(moment: datetime, number: int) -> ObjectId:
    return ObjectId(int(moment.timestamp()).to_bytes(4) + number.to_bytes(8))
