"""Sums the completed rewards of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import Int64

from worker.adapters.mongo.base import CHUNK_IDS, forms_of, integer_sum
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.contribution_counts import MongoContributionCounts
from worker.adapters.mongo.payout.historic import tokens_of
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status

_BY_USER = {"user_id": 1, "week_start": 1}


@dataclass(frozen=True, slots=True)
class Earnings:
    """Base units of completed rewards, and when the last of them was claimed."""

    earned: int = 0
    paid_here: int = 0
    """The part of this system's plans. Another system paid the rest."""
    last_at: datetime | None = None


class MongoEarnings(MongoContributionCounts):
    """Completed rewards of this system's plans, and of another system."""

    def earnings(
        self, user_ids: Sequence[str], plans: Sequence[str], at: datetime | None
    ) -> dict[str, Earnings]:
        """Rewards of these plans, and those that another system paid.

        Rewards of another system are grouped by their number of tokens, since only Python reads a
        number of tokens exactly.
        """
        found: dict[str, Earnings] = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            stages = [{"$match": _completed(chunk, plans, at)}, {"$group": _EARNINGS}]
            for group in self.token_rewards.aggregate(stages, hint=_BY_USER):
                key = group["_id"]
                if key["ours"]:
                    amount = integer_sum("rewards", group["amount"])
                else:
                    amount = (tokens_of(key["tokens"]) or 0) * group["count"]
                user_id = canonical_user_id(str(key["user"]))
                known = found.get(user_id, Earnings())
                dates = [d for d in (known.last_at, group["last"]) if isinstance(d, datetime)]
                found[user_id] = Earnings(
                    earned=known.earned + amount,
                    paid_here=known.paid_here + (amount if key["ours"] else 0),
                    last_at=max(dates, default=None),
                )
        return found


_IS_OURS = {"$gt": ["$plan_id", None]}
_EARNINGS: Document = {
    "_id": {
        "user": "$user_id",
        "ours": _IS_OURS,
        "tokens": {"$cond": [_IS_OURS, None, "$token_amount"]},
    },
    "count": {"$sum": 1},
    "amount": {"$sum": {"$cond": [_IS_OURS, "$amount_base_units", Int64(0)]}},
    "last": {"$max": {"$cond": [{"$eq": [{"$type": "$claimed_at"}, "date"]}, "$claimed_at", None]}},
}


def _completed(user_ids: Sequence[str], plans: Sequence[str], at: datetime | None) -> Document:
    selected: Document = {
        "user_id": {"$in": forms_of(user_ids)},
        "status": Status.COMPLETED.value,
        "plan_id": {"$in": [None, *plans]},
    }
    if at is not None:
        selected["$or"] = [{"claimed_at": None}, {"claimed_at": {"$lte": at}}]
    return selected
