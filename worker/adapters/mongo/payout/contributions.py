"""The week's contributions, as queries: `core.points.defect` in the database's own words.

Which of the two says more is never in doubt: a contract test gives both the same odd documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from worker.adapters.mongo.base import canonical_id
from worker.adapters.mongo.connection import Document
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules

_FIRST_DATE = datetime.min.replace(tzinfo=UTC)
"""What is dated before it is none to Python, and so has no date."""
_POINTS = "$total_points"
BY_DATE = {"created_at": -1}
BY_ID = {"_id": 1}
BY_USER = {"user_id": 1, "created_at": -1}
_DATED = {"created_at.0": {"$exists": False}}
"""A query compares with what an array holds, too, so that one could be own and late at once."""
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
    made = {"$gte": window.late_from, "$lt": window.week.start}
    return {**_recorded(window.previous_cutoff, window), "created_at": made}


def undated(window: PointsWindow) -> Document:
    """Without a date, and recorded since the last plan or without a time of recording.

    Written so that the index on dates finds it: what has none stands before and behind all dates.
    """
    since = window.previous_cutoff or window.week.start
    return {
        "created_at": {"$not": {"$gte": _FIRST_DATE}},
        "$or": [_recorded(since, window), {"_id": _NO_OBJECT_ID}],
    }


def malformed(window: PointsWindow, rules: Rules) -> list[tuple[Document, Document]]:
    """Disjoint selections of what cannot count, each with the index that finds it."""
    return [
        ({"$and": [own(window), _bad(rules)]}, BY_DATE),
        *malformed_late(window, rules),
        (undated(window), BY_DATE),
    ]


def malformed_late(window: PointsWindow, rules: Rules) -> list[tuple[Document, Document]]:
    if (selected := late(window)) is None:
        return []
    return [({"$and": [selected, _DATED, _bad(rules)]}, BY_ID)]


def _bad(rules: Rules) -> Document:
    return {"$nor": [{"$and": [counts(rules), is_user("$user_id")]}]}


def _recorded(since: datetime, window: PointsWindow) -> Document:
    return {"_id": {"$gte": first_id_of(since), "$lt": first_id_of(window.cutoff)}}


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
            "total_points": _INTEGER | {"minimum": 0, "maximum": within_all},
            "created_at": {"bsonType": "date"},
        },
    }
    return {"$and": [{"type": {"$in": kinds}}, {"$jsonSchema": shape}]}


_INTEGER: Document = {"bsonType": ["int", "long"]}


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


# --- a week in which nothing is unusual ---------------------------------------------------------

CANONICAL_ID = "^([0-9a-f]{24}|(?![0-9a-fA-F]{24}$).+)$"
"""A user's id that is stored as `core.identity.canonical_user_id` would write it."""


def in_week(window: PointsWindow) -> Document:
    return {"created_at": {"$gte": window.week.start, "$lt": window.week.end}}


def bare_stages(window: PointsWindow) -> list[Document]:
    """Points of each user if nothing is unusual, as `{_id: user_id, points, count}`.

    The engine does this in half the time that it takes to look at each contribution as well.
    """
    group = {"_id": "$user_id", "points": {"$sum": _POINTS}, "count": {"$sum": 1}}
    return [{"$match": in_week(window)}, {"$group": group}]


def unusual(window: PointsWindow, rules: Rules) -> list[tuple[Document, Document]]:
    """What must not be there for `bare_stages` to be right, and with which index to look for it.

    Everything that cannot count, and some that can: points as doubles, other forms of a user's id.
    """
    if not rules.points.base_points:
        return [(in_week(window), BY_DATE)]  # no type is known
    # A schema for all of it is what the engine does fastest, as long as it requires nothing: what
    # is missing stands at the beginning of an index.
    properties = {
        "user_id": {"bsonType": "string", "pattern": CANONICAL_ID},
        "type": {"enum": list(rules.points.base_points)},
        "total_points": _INTEGER | {"minimum": 0, "maximum": points_max(rules)},
        "created_at": {"bsonType": "date"},
    }
    odd = [{"$nor": [{"$jsonSchema": {"properties": properties}}]}, *_too_many_points(rules)]
    week = in_week(window)
    return [
        ({**week, "$or": odd}, BY_DATE),
        ({**week, "user_id": None}, BY_USER),
        ({**week, "type": None}, {"type": 1}),
        ({**week, "total_points": None}, {"total_points": -1}),
        (undated(window), BY_DATE),
    ]


def _too_many_points(rules: Rules) -> list[Document]:
    """More than their type allows, though another type would."""
    highest = {kind: rules.points.highest_points(kind) for kind in rules.points.base_points}
    lower = {kind: most for kind, most in highest.items() if most < points_max(rules)}
    if not lower:
        return []
    above = [{"type": kind, "total_points": {"$gt": most}} for kind, most in lower.items()]
    # The first two conditions spare nearly every contribution the comparison with each type.
    spared = {"type": {"$in": list(lower)}, "total_points": {"$gt": min(lower.values())}}
    return [{**spared, "$or": above}]


def points_max(rules: Rules) -> int:
    """The most that one contribution of any type can be worth."""
    highest = (rules.points.highest_points(kind) for kind in rules.points.base_points)
    return max(highest, default=0)


def older(window: PointsWindow) -> list[tuple[Document, Document]]:
    """Whatever `late` would find, and what is too old even for it; nothing for the first plan."""
    if window.previous_cutoff is None:
        return []
    recorded = _recorded(window.previous_cutoff, window)
    return [({**recorded, "created_at": {"$lt": window.week.start}}, BY_ID)]


def recorded_after(window: PointsWindow) -> Document:
    """Of the week, but for the next plan. To be looked for after everything was added up."""
    return {"_id": {"$gte": first_id_of(window.cutoff)}, **in_week(window)}


def recorded_long_after(window: PointsWindow) -> Document:
    """If there is any, then fewer contributions are of the week than were recorded since."""
    return {"_id": {"$gte": first_id_of(window.cutoff + timedelta(days=7))}}


def as_plain(document: Mapping[str, Any]) -> dict[str, object]:
    """A contribution as `core.points.defect` takes it."""
    return {
        "user_id": canonical_user(document),
        "type": document.get("type"),
        "total_points": document.get("total_points"),
        "created_at_is_date": isinstance(document.get("created_at"), datetime),
    }


def canonical_user(document: Mapping[str, Any]) -> str:
    """The user of a document; empty if the document names none."""
    return canonical_id(document.get("user_id"))
