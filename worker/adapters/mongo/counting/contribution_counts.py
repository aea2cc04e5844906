"""Counts contributions by user and by article."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bson import Int64, ObjectId

from worker.adapters.mongo.base import CHUNK_IDS, MongoPart, forms_of, integer_sum
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.payout.contributions import BY_USER
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.wiki.counters import ArticleActivity, UserActivity

BY_ARTICLE = {"article_id": 1, "created_at": 1}
_EXACT_IN_A_DOUBLE = 2**53
_POINTS = "$total_points"
_IS_WHOLE_NUMBER = {
    "$and": [
        {"$in": [{"$type": _POINTS}, ["int", "long", "double"]]},
        # In this order of types and numbers, NaN is below and infinity beyond.
        {"$gte": [_POINTS, 0]},
        {"$lte": [_POINTS, _EXACT_IN_A_DOUBLE]},
        {"$eq": [{"$mod": [_POINTS, 1]}, 0]},
    ]
}
SUM_OF_POINTS = {"$sum": {"$cond": [_IS_WHOLE_NUMBER, {"$toLong": _POINTS}, Int64(0)]}}
_LAST_DATE = {"$max": {"$cond": [{"$eq": [{"$type": "$created_at"}, "date"]}, "$created_at", None]}}


class MongoContributionCounts(MongoPart):
    """The contributions of users and articles, as they are stored now."""

    def contributions_of_users(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        found = dict.fromkeys(user_ids, UserActivity())
        group = {"count": {"$sum": 1}, "points": SUM_OF_POINTS}
        for user_id, counted in self._groups("user_id", user_ids, group, BY_USER):
            known, points = found[user_id], integer_sum("points", counted["points"])
            found[user_id] = UserActivity(
                known.contributions + counted["count"], known.points + points
            )
        return found

    def contributions_of_articles(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        found = dict.fromkeys(article_ids, ArticleActivity())
        group = {"count": {"$sum": 1}, "last": _LAST_DATE}
        for article_id, counted in self._groups("article_id", article_ids, group, BY_ARTICLE):
            known = found[article_id]
            dates = [d for d in (known.last_at, counted["last"]) if isinstance(d, datetime)]
            found[article_id] = ArticleActivity(
                known.contributions + counted["count"], max(dates, default=None)
            )
        return found

    def _groups(
        self, field: str, ids: Sequence[str], group: Document, hint: Document
    ) -> Iterator[tuple[str, Document]]:
        """One document for each form in which an id is stored."""
        for chunk in chunks(ids, CHUNK_IDS):
            stages = [
                {"$match": {field: {"$in": forms_of(chunk)}}},
                {"$group": {"_id": f"${field}", **group}},
            ]
            for document in self.contributions.aggregate(stages, hint=hint):
                # An array of ids matches one of them, and belongs to nobody.
                if isinstance(document["_id"], str | ObjectId):
                    yield canonical_user_id(str(document["_id"])), document
