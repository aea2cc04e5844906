"""The week's contributions, as queries: `core.points.defect` in the database's own words.

Which of the two says more is never in doubt: a contract test gives both the same odd documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from worker.adapters.mongo.connection import Document
from worker.core.identity import canonical_user_id
from worker.core.records import PointsWindow
from worker.core.rules import Rules

_POINTS = "$total_points"
_NO_OBJECT_ID = {"$not": {"$type": "objectId"}}


def own(window: PointsWindow) -> Document:
    """Made in the week, and recorded before the cut-off or without a time of recording."""
    return {
        "created_at": {"$gte": window.week.start, "$lt": window.week.end},
        "$or": [{"_id": {"$lt": first_id_of(window.cutoff)}}, {"_id": _NO_OBJECT_ID}],
    }


def late(window: PointsWindow) -> Document | None:
    """Made before the week, and recorded since the last plan; None for the first plan."""
    if window.previous_cutoff is None:
        return None
    return {
        "_id": {
            "$gte": first_id_of(window.previous_cutoff),
            "$lt": first_id_of(window.cutoff),
        },
        "created_at": {"$gte": window.late_from, "$lt": window.week.start},
    }


def undated(window: PointsWindow) -> Document:
    """Without a date, and recorded since the last plan or without a time of recording."""
    since = window.previous_cutoff or window.week.start
    recorded = {"$gte": first_id_of(since), "$lt": first_id_of(window.cutoff)}
    return {
        "$expr": {"$ne": [{"$type": "$created_at"}, "date"]},
        "$or": [{"_id": recorded}, {"_id": _NO_OBJECT_ID}],
    }


def first_id_of(second: datetime) -> ObjectId:
    """The lowest ObjectId that can be generated in a second."""
    return ObjectId.from_datetime(second)


def counts(rules: Rules) -> Document:
    """Whether a contribution counts, except for its user (see `is_user`).

    Nearly all are of the usual kind, which the database recognizes in half the time; what is not
    is looked at exactly.
    """
    exact = _counts_exactly(rules)
    return {"$or": [_usual(rules), exact]} if rules.points.base_points else exact


def _usual(rules: Rules) -> Document:
    """A known type, and an integer of points that no type forbids. All of these count."""
    kinds = list(rules.points.base_points)
    within_all = min(rules.points.highest_points(kind) for kind in kinds)
    shape = {
        "required": ["type", "total_points", "created_at"],
        "properties": {
            "type": {"bsonType": "string"},
            "total_points": {"bsonType": ["int", "long"], "minimum": 0, "maximum": within_all},
            "created_at": {"bsonType": "date"},
        },
    }
    return {"$and": [{"type": {"$in": kinds}}, {"$jsonSchema": shape}]}


def _counts_exactly(rules: Rules) -> Document:
    """Comparisons in a query look at numbers only, but into arrays as well: hence `$exists`."""
    kinds = [
        {
            "type": kind,
            "total_points": {"$gte": 0, "$lte": rules.points.highest_points(kind)},
        }
        for kind in rules.points.base_points
    ]
    return {
        "$and": [
            {"$or": kinds} if kinds else {"type": {"$in": []}},
            {"$expr": _IS_WHOLE},
            {"type.0": {"$exists": False}, "created_at.0": {"$exists": False}},
        ]
    }


_IS_WHOLE = {
    "$or": [
        {"$eq": [{"$type": _POINTS}, "int"]},
        {"$eq": [{"$type": _POINTS}, "long"]},
        {
            "$and": [
                {"$eq": [{"$type": _POINTS}, "double"]},
                {"$eq": [{"$mod": [_POINTS, 1]}, 0]},
            ]
        },
    ]
}


def is_user(value: str) -> Document:
    """Whether an expression is a user's id. In an expression, an array is no text that it holds."""
    return {
        "$expr": {
            "$and": [{"$in": [{"$type": value}, ["string", "objectId"]]}, {"$ne": [value, ""]}]
        }
    }


def user_points_stages(contributions: Document, rules: Rules) -> list[Document]:
    """Points of each user, as `{_id: canonical id, points}`.

    Grouped twice: by the id as it is stored, which is a million documents and must be quick,
    and then by its canonical form, which is one for each user.
    """
    canonical = {
        "$cond": [
            {"$regexMatch": {"input": "$text", "regex": "^[0-9a-fA-F]{24}$"}},
            {"$toLower": "$text"},
            "$text",
        ]
    }
    return [
        {"$match": {"$and": [contributions, counts(rules)]}},
        {"$group": {"_id": "$user_id", "points": {"$sum": _POINTS}}},
        {"$match": is_user("$_id")},
        {"$project": {"text": {"$toString": "$_id"}, "points": 1}},
        {"$group": {"_id": canonical, "points": {"$sum": "$points"}}},
    ]


def as_plain(document: Mapping[str, Any]) -> dict[str, object]:
    """A contribution as `core.points.defect` takes it."""
    return {
        "user_id": canonical_user(document),
        "type": document.get("type"),
        "total_points": document.get("total_points"),
        "created_at_is_date": isinstance(document.get("created_at"), datetime),
    }


def canonical_user(document: Mapping[str, Any]) -> str:
    """Whose document it is; empty where that cannot be said."""
    user_id = document.get("user_id")
    return canonical_user_id(str(user_id)) if isinstance(user_id, str | ObjectId) else ""
