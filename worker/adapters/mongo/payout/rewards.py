"""Reads and writes rewards that are paid alone, held, redirected, or need a token account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pymongo import UpdateMany

from worker.adapters.mongo.base import (
    CHUNK_IDS,
    UNRESOLVED,
    MongoPart,
    due_by,
    stored_forms,
    within,
)
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import ACCOUNT_MADE_AT, ACCOUNT_WALLETS, Route
from worker.adapters.mongo.payout.documents import reward_of
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.payout.records import PayoutKind, Reward
from worker.core.payout.unpaid import UnpaidReward
from worker.core.week import Week

_UNPAID = {"$ne": Status.COMPLETED.value}


class MongoRewards(MongoPart):
    """Implements the part of `worker.ports.payout.PayoutStore` about rewards."""

    def rewards(self, plan_id: str, positions: range) -> list[Reward]:
        return self._by_position({"plan_id": plan_id, "position": within(positions)})

    def reward(self, week: Week, user_id: str) -> Reward | None:
        distribution = next(self._all_weeks({"week_start": week.start}, {"plan_id": 1}), {})
        if (plan_id := distribution.get("plan_id")) is None:
            return None
        selected = {"plan_id": plan_id, "user_id": canonical_user_id(user_id)}
        document = self.token_rewards.find_one(selected)
        return None if document is None else reward_of(document)

    def rewards_to_pay_alone(self, plan_id: str, now: datetime, limit: int) -> list[Reward]:
        if limit <= 0:
            return []
        selected = {**waiting(plan_id), "operator_hold": None, **due_by(now)}
        found = self.token_rewards.find(selected)
        ordered = found.sort([("next_attempt_at", 1), ("position", 1)]).limit(limit)
        return [reward_of(document) for document in ordered]

    def unpaid_alone(self, plan_id: str, limit: int) -> list[UnpaidReward]:
        if limit <= 0:
            return []
        found = self.token_rewards.find(_unpaid_alone(plan_id))
        ordered = found.sort([("status", 1), ("position", 1)]).limit(limit)
        return [UnpaidReward(reward_of(each), each["next_attempt_at"]) for each in ordered]

    def count_unpaid_alone(self, plan_id: str) -> int:
        return self.token_rewards.count_documents(_unpaid_alone(plan_id))

    def set_aside(
        self, reward: Reward, status: Status, reason: str, next_attempt_at: datetime
    ) -> None:
        facts = {"status": status.value, "reason": reason, "next_attempt_at": next_attempt_at}
        self.token_rewards.update_one({**_one(reward), "status": _UNPAID}, {"$set": facts})

    def redirect(self, reward: Reward, wallet: str) -> None:
        changed = self.token_rewards.update_one(
            {**_one(reward), "status": _UNPAID, "route": {"$ne": Route.BATCH.value}},
            {"$set": {"redirected_to": wallet, "next_attempt_at": None}},
        )
        if changed.matched_count:
            # The tries at the old wallet say nothing about the new one.
            facts = {"wallet": wallet, "attempts": 0, "next_attempt_at": None}
            self.payout_batches.update_one(_open_single(reward), {"$set": facts})

    def hold(self, reward: Reward, reason: str | None) -> None:
        """Write the reward before its payout: `MongoPlans.write_payouts` relies on this order."""
        due = {} if reason else {"next_attempt_at": None}
        held = {"operator_hold": reason, **due}
        changed = self.token_rewards.update_one({**_one(reward), "status": _UNPAID}, {"$set": held})
        if changed.matched_count:
            anew = {} if reason else {"attempts": 0}
            self.payout_batches.update_one(_open_single(reward), {"$set": held | anew})

    def count_processing(self, plan_id: str) -> int:
        selected = {"plan_id": plan_id, "status": Status.PROCESSING.value}
        return self.token_rewards.count_documents(selected)

    def count_incomplete(self, plan_id: str) -> int:
        unknown = [{"transaction_signature": None}, {"slot": None}, {"claimed_at": None}]
        paid = {"plan_id": plan_id, "status": Status.COMPLETED.value}
        return self.token_rewards.count_documents({**paid, "$or": unknown})

    # --- token accounts -------------------------------------------------------------------------

    def mark_accounts_made(self, made: Sequence[tuple[str, str]], now: datetime) -> None:
        for chunk in chunks(made, CHUNK_IDS):
            self.users.bulk_write(
                [
                    UpdateMany(
                        {"_id": {"$in": stored_forms(user_id)}, ACCOUNT_WALLETS: {"$ne": wallet}},
                        [{"$set": {ACCOUNT_MADE_AT: now, ACCOUNT_WALLETS: _with(wallet)}}],
                    )
                    for user_id, wallet in chunk
                ],
                ordered=False,
            )

    def rewards_needing_account(self, plan_id: str) -> Iterator[Reward]:
        # DocumentDB keeps an ordered result. Else it would search from the start for each batch.
        found = self.token_rewards.find(_needing_account(plan_id), batch_size=CHUNK_IDS)
        for document in found.sort("position", 1):
            yield reward_of(document)

    def count_needing_account(self, plan_id: str) -> int:
        return self.token_rewards.count_documents(_needing_account(plan_id))

    def accounts_made_since(self, moment: datetime) -> int:
        return self.users.count_documents({ACCOUNT_MADE_AT: {"$gte": moment}})

    def _by_position(self, selected: Document) -> list[Reward]:
        found = self.token_rewards.find(selected).sort("position", 1)
        return [reward_of(document) for document in found]


def _with(wallet: str) -> Document:
    """The recorded wallets and this one. A value that is no list would stop `$addToSet`."""
    known = {"$cond": [{"$isArray": f"${ACCOUNT_WALLETS}"}, f"${ACCOUNT_WALLETS}", []]}
    return {"$concatArrays": [known, [{"$literal": wallet}]]}


def waiting(plan_id: str | Document) -> Document:
    """Unpaid rewards that are paid alone and have no payout yet."""
    return {"plan_id": plan_id, "route": Route.WAITING.value, "status": _UNPAID}


def _unpaid_alone(plan_id: str) -> Document:
    is_apart = [{"route": {"$ne": Route.BATCH.value}}, {"operator_hold": {"$ne": None}}]
    return {
        "plan_id": plan_id,
        "status": _UNPAID,
        "$or": [*is_apart, {"status": Status.FAILED.value}],
    }


def unresolved_payments(plan_id: str | Document) -> Document:
    """Unresolved payouts that pay rewards: all but the anchor."""
    return {
        "plan_id": plan_id,
        "kind": {"$ne": PayoutKind.ANCHOR.value},
        "status": {"$in": UNRESOLVED},
    }


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
