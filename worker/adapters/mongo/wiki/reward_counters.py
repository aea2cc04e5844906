"""Counters of users and articles, computed from rewards and stakes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from bson import Int64
from pymongo import ReplaceOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, canonical_id, forms_of, integer_sum, within
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.earnings import Earnings
from worker.adapters.mongo.counting.opening import Opening
from worker.adapters.mongo.payout import contributions as query
from worker.adapters.mongo.wiki.contribution_counters import MongoActivity, write_counters
from worker.adapters.mongo.wiki.documents import amount_fields
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.chunks import chunks
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits, tokens_float
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.core.wiki.counters import CompletedReward, UserTokens
from worker.core.wiki.stake_record import StakeRecord, StakeStatus

CHUNK_SHARES = 5000
_COMPLETED = Status.COMPLETED.value


class MongoCounters(MongoActivity):
    """Implements `worker.ports.wiki.CounterStore`. Needs the indexes of `kontrib migrate`."""

    def user_tokens(
        self, user_ids: Sequence[str], *, at: datetime | None = None
    ) -> dict[str, UserTokens]:
        plans, found = self.installed_plans(), {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            openings = self.user_openings(chunk)
            earned, stakes = self.earnings(chunk, plans, at), self._stakes(chunk)
            for user_id in chunk:
                opening = openings.get(user_id, Opening()).tokens
                rewards = earned.get(user_id, Earnings())
                found[user_id] = tokens_of(opening, rewards, stakes.get(user_id, []), at)
        return found

    def _stakes(self, user_ids: Sequence[str]) -> dict[str, list[StakeRecord]]:
        found: dict[str, list[StakeRecord]] = {}
        for document in self.stakes.find({"user_id": {"$in": forms_of(user_ids)}}):
            if (stake := stake_of(document)) is not None:
                found.setdefault(stake.user_id, []).append(stake)
        return found

    def write_user_tokens(self, tokens: Mapping[str, UserTokens]) -> int:
        fields = {user_id: user_fields(each) for user_id, each in tokens.items()}
        return write_counters(self, names.USERS, fields)

    # --- articles -------------------------------------------------------------------------------

    def paid_rewards(self, plan_id: str, positions: range) -> list[CompletedReward]:
        selected = {"plan_id": plan_id, "position": within(positions), "status": _COMPLETED}
        wanted = {"user_id": 1, "amount_base_units": 1}
        found = self.token_rewards.find(selected, wanted).sort("position", 1)
        return [
            CompletedReward(d["user_id"], BaseUnits(int(d["amount_base_units"]))) for d in found
        ]

    def points_by_article(
        self, window: PointsWindow, rules: Rules, user_ids: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for counted in (query.own(window), query.late(window)):
            for document in self._points(counted, rules, user_ids):
                user_id = canonical_id(document["_id"]["user"])
                article_id = canonical_id(document["_id"].get("article"))
                articles = found.setdefault(user_id, {})
                articles[article_id] = articles.get(article_id, 0) + int(document["points"])
        return found

    def _points(
        self, counted: Document | None, rules: Rules, user_ids: Sequence[str]
    ) -> Iterator[Document]:
        if counted is None:
            return
        for chunk in chunks(user_ids, CHUNK_IDS):
            mine = {"user_id": {"$in": forms_of(chunk)}, "user_id.0": {"$exists": False}}
            group = {
                "_id": {"user": "$user_id", "article": "$article_id"},
                "points": {"$sum": "$total_points"},
            }
            matched = {"$match": {"$and": [mine, counted, query.counts(rules)]}}
            stages: list[Document] = [matched, {"$group": group}]
            yield from self.contributions.aggregate(stages, hint=query.BY_USER)

    def article_rewards(self, week: Week) -> dict[str, BaseUnits]:
        found = self.database[names.ARTICLE_REWARDS].find({"week_start": week.start})
        return {d["article_id"]: BaseUnits(int(d["amount_base_units"])) for d in found}

    def write_article_rewards(
        self, week: Week, shares: Mapping[str, BaseUnits], gone: Collection[str]
    ) -> None:
        rewards = self.database[names.ARTICLE_REWARDS]
        for chunk in chunks(sorted(shares), CHUNK_SHARES):
            writes = [
                ReplaceOne(
                    {"week_start": week.start, "article_id": article_id},
                    share_document(week, article_id, shares[article_id]),
                    upsert=True,
                )
                for article_id in chunk
            ]
            rewards.bulk_write(writes, ordered=False)
        for chunk in chunks(sorted(gone), CHUNK_SHARES):
            rewards.delete_many({"week_start": week.start, "article_id": {"$in": list(chunk)}})

    def article_tokens(self, article_ids: Sequence[str]) -> dict[str, BaseUnits]:
        openings = self.article_openings(article_ids)
        found = {each: BaseUnits(openings.get(each, Opening()).tokens) for each in article_ids}
        for chunk in chunks(article_ids, CHUNK_IDS):
            stages: list[Document] = [
                {"$match": {"article_id": {"$in": list(chunk)}}},
                {"$group": {"_id": "$article_id", "amount": {"$sum": "$amount_base_units"}}},
            ]
            for d in self.database[names.ARTICLE_REWARDS].aggregate(stages):
                amount = integer_sum("articles' rewards", d["amount"])
                found[d["_id"]] = BaseUnits(found[d["_id"]] + amount)
        return found

    def write_article_tokens(self, tokens: Mapping[str, BaseUnits]) -> int:
        fields = {each: amount_fields(total_tokens_earned=tokens[each]) for each in tokens}
        return write_counters(self, names.ARTICLES, fields)


def tokens_of(
    opening: int, rewards: Earnings, stakes: Sequence[StakeRecord], at: datetime | None
) -> UserTokens:
    """A user's sums at a moment, or now if `at` is None.

    Now a stake counts by its status. At another moment it counts by its dates.
    """
    if at is None:
        staked = [s for s in stakes if s.status is StakeStatus.ACTIVE]
    else:
        staked = [s for s in stakes if s.is_active_at(at)]
    moments = [moment for s in stakes for moment in _moments(s)]
    return UserTokens(
        earned=BaseUnits(opening + rewards.earned),
        staked=BaseUnits(sum(s.amount for s in staked)),
        last_claim_at=rewards.last_at,
        paid_here=BaseUnits(rewards.paid_here),
        last_stake_at=max(moments, default=None),
    )


def user_fields(tokens: UserTokens) -> Document:
    """The owner's fields of a user. Each float of tokens has an exact integer beside it."""
    return {
        **amount_fields(
            total_tokens_earned=tokens.earned,
            staked_tokens=tokens.staked,
            governance_power=tokens.power,
        ),
        "last_reward_claim": tokens.last_claim_at,
        "token_updated_at": tokens.last_activity_at,
    }


def share_document(week: Week, article_id: str, amount: BaseUnits) -> Document:
    return {
        "week_start": week.start,
        "article_id": article_id,
        "token_amount": tokens_float(amount),
        "amount_base_units": Int64(amount),
    }


def _moments(stake: StakeRecord) -> Iterator[datetime]:
    """The start of a stake, and its end if it has ended."""
    yield stake.start
    if stake.unstaked_at is not None:
        yield stake.unstaked_at
    elif stake.status is StakeStatus.COMPLETED:
        yield stake.end
