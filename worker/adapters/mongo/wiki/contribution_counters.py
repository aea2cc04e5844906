"""Counters of users and articles, computed from contributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bson import Int64
from pymongo import UpdateOne

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, STREAM_BATCH, stored_forms
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.counting.opening import FIELDS, Opening, lacks_opening
from worker.adapters.mongo.counting.openings import MongoOpenings
from worker.core.chunks import chunks
from worker.core.identity import canonical_user_id
from worker.core.wiki.counters import ArticleActivity, UserActivity
from worker.core.wiki.stored_counters import (
    DATES,
    NOT_RECOUNTED,
    REPUTATION,
    REPUTATION_WRITTEN,
    frozen,
    has_own_reputation,
)


class MongoActivity(MongoOpenings):
    """Implements `worker.ports.wiki.ActivityStore`."""

    def user_activity(self, user_ids: Sequence[str]) -> dict[str, UserActivity]:
        openings = self.user_openings(user_ids)
        counted = self.contributions_of_users(user_ids)
        return {each: plus_opening(counted[each], openings.get(each)) for each in user_ids}

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float | None]]) -> int:
        fields = {user_id: activity_fields(*each) for user_id, each in activity.items()}
        return write_counters(self, names.USERS, fields)

    def article_activity(self, article_ids: Sequence[str]) -> dict[str, ArticleActivity]:
        openings = self.article_openings(article_ids)
        counted = self.contributions_of_articles(article_ids)
        return {
            each: plus_article_opening(counted[each], openings.get(each)) for each in article_ids
        }

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


def plus_opening(counted: UserActivity, opening: Opening | None) -> UserActivity:
    """The contributions that are stored, and those that the wiki had counted before."""
    if opening is None:
        return counted
    return UserActivity(counted.contributions + opening.count, counted.points + opening.points)


def activity_fields(counted: UserActivity, reputation: float | None) -> Document:
    """The owner's fields of a user. Without steps, reputation is the wiki's and is left out."""
    score = {}
    if reputation is not None:
        score = {REPUTATION: reputation, REPUTATION_WRITTEN: reputation}
    return {
        "total_contributions": counted.contributions,
        "total_points": Int64(counted.points),
        **score,
    }


def plus_article_opening(counted: ArticleActivity, opening: Opening | None) -> ArticleActivity:
    extra = 0 if opening is None else opening.count
    return ArticleActivity(counted.contributions + extra, counted.last_at)


def write_counters(part: MongoOpenings, collection: str, fields: Mapping[str, Document]) -> int:
    """Set fields of the documents with these ids where they differ, and return how many did.

    Opening balances come first. Reading first makes a recount without differences a few times
    faster.
    """
    changed = 0
    for chunk in chunks(list(fields), CHUNK_IDS):
        wanted = {form: fields[each] for each in chunk for form in stored_forms(each)}
        read = dict.fromkeys((*FIELDS[collection], *fields[chunk[0]]), 1)
        documents = list(part.database[collection].find({"_id": {"$in": list(wanted)}}, read))
        new = {canonical_user_id(str(d["_id"])) for d in documents if lacks_opening(collection, d)}
        users, articles = (sorted(new), []) if collection == names.USERS else ([], sorted(new))
        if new:
            part.open_counters(users, articles, counting=fields[chunk[0]])
        updates = [
            UpdateOne({"_id": document["_id"]}, update)
            for document in documents
            if (update := update_of(document, wanted[document["_id"]]))
        ]
        if updates:
            result = part.database[collection].bulk_write(updates, ordered=False)
            changed += result.modified_count
        _note_recount(part, collection, documents, list(fields[chunk[0]]))
    return changed


def _note_recount(
    part: MongoOpenings, collection: str, documents: Sequence[Document], counted: Sequence[str]
) -> None:
    """Note that these counters are no longer as the wiki wrote them."""
    updates = [
        UpdateOne({"_id": document["_id"]}, {"$pull": {NOT_RECOUNTED: {"$in": done}}})
        for document in documents
        if (done := recounted(document, counted))
    ]
    if updates:
        part.database[collection].bulk_write(updates, ordered=False)


def recounted(document: Document, counted: Sequence[str]) -> list[str]:
    """The counters among these that no recount has written before."""
    listed, kept = document.get(NOT_RECOUNTED), frozen(document)
    if not isinstance(listed, list):
        return []
    return [name for name in counted if name in listed and name not in kept]


def update_of(document: Document, wanted: Document) -> Document:
    """The update that gives a document these counters; empty if it has them."""
    new = new_fields(document, wanted)
    later = {name: value for name, value in new.items() if name in DATES}
    fields = {name: value for name, value in new.items() if name not in later}
    update = {"$set": fields} if document != document | fields else {}
    return update | ({"$max": later} if later else {})


def new_fields(document: Document, wanted: Document) -> Document:
    """The counters that a recount writes: no unreadable one, no earlier date, and no reputation
    score if the document has one of the wiki's own."""
    kept = set(frozen(document))
    if has_own_reputation(document):
        kept |= {REPUTATION, REPUTATION_WRITTEN}
    return {
        name: value
        for name, value in wanted.items()
        if name not in kept and (name not in DATES or is_later(document, name, value))
    }


def is_later(document: Document, name: str, value: object) -> bool:
    """Whether a date is later than the stored one, so that it replaces it."""
    if name not in document:
        return True
    stored = document[name]
    is_date = isinstance(stored, datetime)
    return isinstance(value, datetime) and (not is_date or value > stored)
