"""Opening balances: what the wiki had counted of a user or article, and no document explains.

The balance is derived once, before the first recount writes anything, and is part of every later
recount. So a recount never takes away what the wiki had. All balances of a document are written by
one update on condition that there is none yet: it makes no difference how many do it at once. The
balance of a counter that cannot be read is null. It is derived once somebody has corrected it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from pymongo import UpdateOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, STREAM_BATCH, forms_of
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.counting.earnings import Earnings, MongoEarnings
from worker.adapters.mongo.counting.opening import (
    FIELDS,
    Opening,
    article_opening,
    lacks_opening,
    opening_fields,
    user_opening,
    wikis_balances,
)
from worker.adapters.mongo.names import ARTICLE_OPENINGS, USER_OPENINGS
from worker.adapters.mongo.payout.same_users import MIXED_CASE
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.money import DECIMALS, INT64_MAX, BaseUnits
from worker.core.wiki.counters import ArticleActivity, UserActivity
from worker.core.wiki.stored_counters import (
    COUNTS,
    DATES,
    NOT_RECOUNTED,
    OPENING_TOKENS,
    TOKENS,
    unreadable,
)

_LISTED_MAX = 20
_FIRST_DATE, _LAST_DATE = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class MongoOpenings(MongoEarnings):
    """Reads opening balances, and derives and writes those that are missing."""

    def user_openings(self, user_ids: Sequence[str]) -> dict[str, Opening]:
        """The balances of users that exist; derived where none is stored. Writes nothing."""
        return _by_id(self._of_users(user_ids))

    def article_openings(self, article_ids: Sequence[str]) -> dict[str, Opening]:
        return _by_id(self._of_articles(article_ids))

    def open_counters(
        self,
        user_ids: Sequence[str],
        article_ids: Sequence[str],
        counting: Collection[str] = (),
    ) -> int:
        """Write the balances that are missing. Returns how many documents got theirs.

        `counting`: counters that the caller writes right after.
        """
        users = self._write(names.USERS, self._of_users(user_ids), counting)
        return users + self._write(names.ARTICLES, self._of_articles(article_ids), counting)

    def wikis_balances(self, user_ids: Sequence[str]) -> dict[str, dict[str, BaseUnits]]:
        """Staked tokens and voting power that no recount has written yet, by user and field."""
        found = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            is_the_wikis = [
                {OPENING_TOKENS: {"$exists": False}},
                {NOT_RECOUNTED: {"$in": list(TOKENS[1:])}},
            ]
            selected = {"_id": {"$in": forms_of(chunk)}, "$or": is_the_wikis}
            for document in self.users.find(selected, dict.fromkeys(FIELDS[names.USERS], 1)):
                if balances := wikis_balances(document):
                    found[_id_of(document)] = balances
        return found

    def unreadable_counters(
        self, user_ids: Sequence[str], article_ids: Sequence[str]
    ) -> list[tuple[str, str, object]]:
        wanted = {names.USERS: user_ids, names.ARTICLES: article_ids}
        return [
            each
            for collection, ids in wanted.items()
            for chunk in chunks(ids, CHUNK_IDS)
            for each in unreadable_in(self.database, collection, {"_id": {"$in": forms_of(chunk)}})
        ]

    def _of_users(self, user_ids: Sequence[str]) -> Iterator[tuple[Document, Opening]]:
        for documents, new in self._read(names.USERS, user_ids):
            counts, historic = self.contributions_of_users(new), self.earnings(new, [], None)
            for document in documents:
                user_id = _id_of(document)
                counted = counts.get(user_id, UserActivity())
                paid = historic.get(user_id, Earnings()).earned
                yield document, user_opening(document, counted, paid)

    def _of_articles(self, article_ids: Sequence[str]) -> Iterator[tuple[Document, Opening]]:
        for documents, new in self._read(names.ARTICLES, article_ids):
            counts = self.contributions_of_articles(new)
            for document in documents:
                counted = counts.get(_id_of(document), ArticleActivity())
                yield document, article_opening(document, counted)

    def _read(
        self, collection: str, ids: Sequence[str]
    ) -> Iterator[tuple[list[Document], list[str]]]:
        """Documents, and the ids of those that lack a balance."""
        read = dict.fromkeys(FIELDS[collection], 1)
        for chunk in chunks(ids, CHUNK_IDS):
            selected = {"_id": {"$in": forms_of(chunk)}}
            documents = list(self.database[collection].find(selected, read))
            new = {_id_of(d) for d in documents if lacks_opening(collection, d)}
            yield documents, sorted(new)

    def _write(
        self,
        collection: str,
        found: Iterator[tuple[Document, Opening]],
        counting: Collection[str],
    ) -> int:
        written = 0
        for chunk in chunks(found, CHUNK_IDS):
            updates = [
                UpdateOne(_still_lacking(document, fields), {"$set": fields})
                for document, opening in chunk
                if (fields := opening_fields(collection, document, opening, counting))
            ]
            if updates:
                result = self.database[collection].bulk_write(updates, ordered=False)
                written += result.modified_count
        return written


def _still_lacking(document: Document, fields: Document) -> Document:
    if OPENING_TOKENS not in document:
        return {"_id": document["_id"], OPENING_TOKENS: {"$exists": False}}
    openings = (*USER_OPENINGS, *ARTICLE_OPENINGS)
    return {"_id": document["_id"], **{name: None for name in fields if name in openings}}


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


# --- whole collections -------------------------------------------------------------------------


def unreadable_in(
    database: Mongo, collection: str, selected: Document
) -> Iterator[tuple[str, str, object]]:
    """Counters that cannot be read: the document, the field and the value."""
    odd = [condition for name in FIELDS[collection] for condition in _may_be_unreadable(name)]
    found = database[collection].find(
        {**selected, "$or": odd}, dict.fromkeys(FIELDS[collection], 1), batch_size=STREAM_BATCH
    )
    what = collection.removesuffix("s")
    for document in found:
        for name, value in unreadable(document).items():
            yield f"{what} {_id_of(document)}", name, value


def describe_unreadable(database: Mongo) -> list[str]:
    """The first counters that no recount overwrites, in a sentence each."""
    found = [
        f"{subject}: {name} is {value!r}, which is no number or date. No recount overwrites it: "
        "correct it, and run `kontrib recount`"
        for collection in (names.USERS, names.ARTICLES)
        for subject, name, value in unreadable_in(database, collection, {})
    ]
    more = len(found) - _LISTED_MAX
    return [*found[:_LISTED_MAX], f"{more} more unreadable counters"] if more > 0 else found


def _may_be_unreadable(name: str) -> list[Document]:
    """Conditions that each value matches which is no number or no date. Others may match, too."""
    if name == NOT_RECOUNTED:
        return []
    kind = ["date", "null"] if name in DATES else ["number", "null"]
    first, last = (_FIRST_DATE, _LAST_DATE) if name in DATES else (0, INT64_MAX)
    if name in TOKENS:
        last = INT64_MAX // 10**DECIMALS
    return [
        {name: {"$exists": True, "$not": {"$type": kind}}},
        {name: {"$type": "array"}},
        # In the server's order, NaN is below every number.
        {name: {"$exists": True, "$type": kind[0], "$not": {"$gte": first, "$lte": last}}},
    ]


def without_opening() -> Document:
    """Selects documents in which the wiki has counted something, and that have no balance."""
    counted: list[Document] = [
        {name: condition}
        for name in (*COUNTS, *TOKENS)
        for condition in ({"$gt": 0}, {"$regex": r"^[0-9]+(\.[0-9]+)?$"})
    ]
    # No counter is written to a document with any other id.
    ids = [
        {"_id": {"$type": ["objectId", "string"]}},
        {"_id": {"$not": {"$regex": MIXED_CASE}}},
    ]
    return {OPENING_TOKENS: {"$exists": False}, "$or": counted, "$and": ids}


def open_collection(database: Mongo, collection: str) -> int:
    """Derive the missing balances of all users or articles that need one."""
    openings = MongoOpenings(database)
    found = database[collection].find(without_opening(), {"_id": 1}, batch_size=STREAM_BATCH)
    ids = (_id_of(document) for document in found)
    written = 0
    for chunk in chunks(ids, CHUNK_IDS):
        users, articles = (chunk, []) if collection == names.USERS else ([], chunk)
        written += openings.open_counters(users, articles)
    return written
