"""Counters of users and articles, computed from contributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bson import Int64, ObjectId
from pymongo import UpdateOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import (
    CHUNK_IDS,
    STREAM_BATCH,
    MongoPart,
    forms_of,
    integer_sum,
    stored_forms,
)
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
        # The order of numbers puts NaN below zero and infinity above the limit.
        {"$gte": [_POINTS, 0]},
        {"$lte": [_POINTS, _EXACT_IN_A_DOUBLE]},
        {"$eq": [{"$mod": [_POINTS, 1]}, 0]},
    ]
}
SUM_OF_POINTS = {"$sum": {"$cond": [_IS_WHOLE_NUMBER, {"$toLong": _POINTS}, Int64(0)]}}
_LAST_DATE = {"$max": {"$cond": [{"$eq": [{"$type": "$created_at"}, "date"]}, "$created_at", None]}}


class MongoActivity(MongoPart):
    """Implements `worker.ports.wiki.ActivityStore`."""

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        found = dict.fromkeys(user_ids, UserActivity())
        group = {"count": {"$sum": 1}, "points": SUM_OF_POINTS}
        for user_id, counted in self._groups("user_id", user_ids, group, BY_USER):
            known, points = found[user_id], integer_sum("points", counted["points"])
            count = known.contributions + counted["count"]
            found[user_id] = UserActivity(count, known.points + points)
        return found

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float | None]]) -> int:
        fields = {user_id: activity_fields(*each) for user_id, each in activity.items()}
        return write_counters(self, names.USERS, fields)

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        found = dict.fromkeys(article_ids, ArticleActivity())
        group = {"count": {"$sum": 1}, "last": _LAST_DATE}
        for article_id, counted in self._groups("article_id", article_ids, group, BY_ARTICLE):
            known = found[article_id]
            dates = [d for d in (known.last_at, counted["last"]) if isinstance(d, datetime)]
            count = known.contributions + counted["count"]
            found[article_id] = ArticleActivity(count, max(dates, default=None))
        return found

    def write_article_activity(self, activity: Mapping[str, ArticleActivity]) -> int:
        fields = {
            article_id: {
                "contribution_count": counted.contributions,
                "last_contribution_date": counted.last_at,
            }
            for article_id, counted in activity.items()
        }
        return write_counters(self, names.ARTICLES, fields)

    def article_ids(self) -> Iterator[str]:
        articles = self.database[names.ARTICLES]
        for document in articles.find({}, {"_id": 1}, batch_size=STREAM_BATCH):
            yield canonical_user_id(str(document["_id"]))

    def _groups(
        self, field: str, ids: Sequence[str], group: Document, hint: Document
    ) -> Iterator[tuple[str, Document]]:
        """A canonical id and a group for each stored form of these ids."""
        for chunk in chunks(ids, CHUNK_IDS):
            stages = [
                {"$match": {field: {"$in": forms_of(chunk)}}},
                {"$group": {"_id": f"${field}", **group}},
            ]
            for document in self.contributions.aggregate(stages, hint=hint):
                # An array that contains one of the ids matches, but belongs to nobody.
                if isinstance(document["_id"], str | ObjectId):
                    yield canonical_user_id(str(document["_id"])), document


def activity_fields(counted: UserActivity, reputation: float | None) -> Document:
    """The owner's fields of a user. Without steps, reputation is the wiki's and is left out."""
    score = {} if reputation is None else {"reputation_score": reputation}
    return {
        "total_contributions": counted.contributions,
        "total_points": Int64(counted.points),
        **score,
    }


def write_counters(part: MongoPart, collection: str, fields: Mapping[str, Document]) -> int:
    """Set the fields of these documents, by id, and return how many documents changed.

    Documents that are already correct are only read, which is a few times faster.
    """
    changed = 0
    for chunk in chunks(list(fields), CHUNK_IDS):
        wanted = {form: fields[each] for each in chunk for form in stored_forms(each)}
        names_of_fields = dict.fromkeys(fields[chunk[0]], 1)
        documents = part.database[collection].find({"_id": {"$in": list(wanted)}}, names_of_fields)
        updates = [
            UpdateOne({"_id": document["_id"]}, {"$set": wanted[document["_id"]]})
            for document in documents
            if document != document | wanted[document["_id"]]
        ]
        if updates:
            result = part.database[collection].bulk_write(updates, ordered=False)
            changed += result.modified_count
    return changed
