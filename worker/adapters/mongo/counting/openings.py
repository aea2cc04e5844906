"""Opening balances: what the wiki had counted of a user or article, and no document explains.

The balance is derived once, before the first recount writes anything, and is part of every later
recount. So a recount never takes away what the wiki had. All balances of a document are written by
one update on condition that there is none yet: it makes no difference how many do it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import Int64
from pymongo import UpdateOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, STREAM_BATCH, forms_of, integer_sum
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.contribution_counts import MongoContributionCounts
from worker.adapters.mongo.names import (
    ARTICLE_OPENINGS,
    BALANCES_BEFORE,
    OPENING_TOKENS,
    USER_OPENINGS,
)
from worker.adapters.mongo.payout.historic import tokens_of, whole_of
from worker.adapters.mongo.payout.same_users import MIXED_CASE
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits, tokens_float
from worker.core.wiki.counters import ArticleActivity, UserActivity

_EARNED = "total_tokens_earned"
_FLOATS = (_EARNED, "staked_tokens", "governance_power")
_USER = ("total_contributions", "total_points", *_FLOATS, *(f"{f}_base_units" for f in _FLOATS))
_ARTICLE = ("contribution_count", _EARNED, f"{_EARNED}_base_units")
_READ = {
    names.USERS: dict.fromkeys((*USER_OPENINGS, *_USER), 1),
    names.ARTICLES: dict.fromkeys((*ARTICLE_OPENINGS, *_ARTICLE), 1),
}
_BY_USER = {"user_id": 1, "week_start": 1}


@dataclass(frozen=True, slots=True)
class Opening:
    """The opening balances of a user or article. Tokens in base units."""

    tokens: int = 0
    count: int = 0
    """Contributions."""
    points: int = 0


def user_opening(document: Mapping[str, object], activity: UserActivity, historic: int) -> Opening:
    """A user's balances: as they are stored, or as they are derived where none is.

    `historic`: base units of completed rewards of another system.
    """
    if OPENING_TOKENS in document:
        return Opening(*(whole_of(document.get(name)) or 0 for name in USER_OPENINGS))
    return Opening(
        max(0, _unexplained_tokens(document) - historic),
        max(0, (whole_of(document.get("total_contributions")) or 0) - activity.contributions),
        max(0, (whole_of(document.get("total_points")) or 0) - activity.points),
    )


def article_opening(document: Mapping[str, object], activity: ArticleActivity) -> Opening:
    """The same of an article. No document of another system says what an article has earned."""
    if OPENING_TOKENS in document:
        return Opening(*(whole_of(document.get(name)) or 0 for name in ARTICLE_OPENINGS))
    counted = whole_of(document.get("contribution_count")) or 0
    return Opening(_unexplained_tokens(document), max(0, counted - activity.contributions))


def _unexplained_tokens(document: Mapping[str, object]) -> int:
    """The wiki's own number of earned tokens. A float that equals its exact twin is computed."""
    earned, exact = document.get(_EARNED), document.get(f"{_EARNED}_base_units")
    if isinstance(exact, int) and tokens_float(exact) == earned:
        return 0
    return tokens_of(earned) or 0


def opening_fields(
    document: Mapping[str, object], opening: Opening, openings: Sequence[str]
) -> Document:
    """The balances, and exact twins of the wiki's floats."""
    balances = zip(openings, (opening.tokens, opening.count, opening.points), strict=False)
    fields = {name: Int64(value) for name, value in balances}
    for name in _FLOATS:
        if (tokens := tokens_of(document.get(name))) is not None:
            fields[f"{name}_base_units"] = Int64(tokens)
    return fields | {
        name: Int64(tokens)
        for name, of in zip(BALANCES_BEFORE, _FLOATS[1:], strict=True)
        if (tokens := tokens_of(document.get(of)))
    }


def balances_before(document: Mapping[str, object]) -> dict[str, BaseUnits]:
    """Staked tokens and voting power that are still as the wiki has written them."""
    found = {}
    for before, name in zip(BALANCES_BEFORE, _FLOATS[1:], strict=True):
        now = tokens_of(document.get(name))
        is_the_wikis = OPENING_TOKENS not in document or document.get(before) == now
        if now and is_the_wikis:
            found[name] = now
    return found


class MongoOpenings(MongoContributionCounts):
    """Reads opening balances, and derives and writes those that are missing."""

    def user_openings(self, user_ids: Sequence[str]) -> dict[str, Opening]:
        """The balances of users that exist; derived where none is stored. Writes nothing."""
        return _by_id(self._of_users(user_ids))

    def article_openings(self, article_ids: Sequence[str]) -> dict[str, Opening]:
        return _by_id(self._of_articles(article_ids))

    def open_counters(self, user_ids: Sequence[str], article_ids: Sequence[str]) -> int:
        """Write the balances that are missing. Returns how many documents got theirs."""
        users = self._write(names.USERS, self._of_users(user_ids), USER_OPENINGS)
        articles = self._of_articles(article_ids)
        return users + self._write(names.ARTICLES, articles, ARTICLE_OPENINGS)

    def wikis_balances(self, user_ids: Sequence[str]) -> dict[str, dict[str, BaseUnits]]:
        """Staked tokens and voting power that no recount has written yet, by user and field."""
        found = {}
        fields = dict.fromkeys((OPENING_TOKENS, *BALANCES_BEFORE, *_FLOATS), 1)
        before = [{name: {"$gt": 0}} for name in BALANCES_BEFORE]
        for chunk in chunks(user_ids, CHUNK_IDS):
            selected = {
                "_id": {"$in": forms_of(chunk)},
                "$or": [{OPENING_TOKENS: {"$exists": False}}, *before],
            }
            for document in self.users.find(selected, fields):
                if balances := balances_before(document):
                    found[_id_of(document)] = balances
        return found

    def _of_users(self, user_ids: Sequence[str]) -> Iterator[tuple[Document, Opening]]:
        for documents, new in self._read(names.USERS, user_ids):
            counts, historic = self.contributions_of_users(new), self.historic_earnings(new)
            for document in documents:
                user_id = _id_of(document)
                earned, _ = historic.get(user_id, (0, None))
                counted = counts.get(user_id, UserActivity())
                yield document, user_opening(document, counted, earned)

    def _of_articles(self, article_ids: Sequence[str]) -> Iterator[tuple[Document, Opening]]:
        for documents, new in self._read(names.ARTICLES, article_ids):
            counts = self.contributions_of_articles(new)
            for document in documents:
                counted = counts.get(_id_of(document), ArticleActivity())
                yield document, article_opening(document, counted)

    def _read(
        self, collection: str, ids: Sequence[str]
    ) -> Iterator[tuple[list[Document], list[str]]]:
        """Documents, and the ids of those without a balance."""
        for chunk in chunks(ids, CHUNK_IDS):
            selected = {"_id": {"$in": forms_of(chunk)}}
            documents = list(self.database[collection].find(selected, _READ[collection]))
            yield documents, sorted({_id_of(d) for d in documents if OPENING_TOKENS not in d})

    def _write(
        self, collection: str, found: Iterator[tuple[Document, Opening]], openings: Sequence[str]
    ) -> int:
        written = 0
        for chunk in chunks(found, CHUNK_IDS):
            updates = [
                UpdateOne(
                    {"_id": document["_id"], OPENING_TOKENS: {"$exists": False}},
                    {"$set": opening_fields(document, opening, openings)},
                )
                for document, opening in chunk
                if OPENING_TOKENS not in document
            ]
            if updates:
                result = self.database[collection].bulk_write(updates, ordered=False)
                written += result.modified_count
        return written

    def historic_earnings(
        self, user_ids: Sequence[str], at: datetime | None = None
    ) -> dict[str, tuple[int, datetime | None]]:
        """Base units and last date of completed rewards that another system paid."""
        return self.earnings(user_ids, [], at)

    def earnings(
        self, user_ids: Sequence[str], plans: Sequence[str], at: datetime | None
    ) -> dict[str, tuple[int, datetime | None]]:
        """The same, with the rewards of these plans.

        Rewards of another system are grouped by their number of tokens, since only Python reads a
        number of tokens exactly.
        """
        found: dict[str, tuple[int, datetime | None]] = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            stages = [{"$match": _completed(chunk, plans, at)}, {"$group": _EARNINGS}]
            for group in self.token_rewards.aggregate(stages, hint=_BY_USER):
                key = group["_id"]
                if key["ours"]:
                    amount = integer_sum("rewards", group["amount"])
                else:
                    amount = (tokens_of(key["tokens"]) or 0) * group["count"]
                user_id = canonical_user_id(str(key["user"]))
                earned, last = found.get(user_id, (0, None))
                dates = [each for each in (last, group["last"]) if isinstance(each, datetime)]
                found[user_id] = (earned + amount, max(dates, default=None))
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


def _by_id(found: Iterator[tuple[Document, Opening]]) -> dict[str, Opening]:
    """Of several documents with one id, the largest balances: nothing is taken away."""
    balances: dict[str, Opening] = {}
    for document, opening in found:
        user_id = _id_of(document)
        known = balances.get(user_id, opening)
        balances[user_id] = Opening(
            max(known.tokens, opening.tokens),
            max(known.count, opening.count),
            max(known.points, opening.points),
        )
    return balances


def _id_of(document: Document) -> str:
    return canonical_user_id(str(document["_id"]))


# --- for migration -----------------------------------------------------------------------------


def without_opening() -> Document:
    """Selects documents in which the wiki has counted something, and that have no balance."""
    counters = ("total_contributions", "total_points", *_FLOATS, "contribution_count")
    counted = [{name: {"$gt": 0}} for name in counters]
    # No counter is written to a document with any other id.
    ids = [
        {"_id": {"$type": ["objectId", "string"]}},
        {"_id": {"$not": {"$regex": MIXED_CASE}}},
    ]
    return {OPENING_TOKENS: {"$exists": False}, "$or": counted, "$and": ids}


def open_collection(openings: MongoOpenings, collection: str) -> int:
    """Derive the missing balances of all users or articles that need one."""
    found = openings.database[collection].find(
        without_opening(), {"_id": 1}, batch_size=STREAM_BATCH
    )
    ids = (_id_of(document) for document in found)
    written = 0
    for chunk in chunks(ids, CHUNK_IDS):
        users, articles = (chunk, []) if collection == names.USERS else ([], chunk)
        written += openings.open_counters(users, articles)
    return written
