"""Queries for a week's contributions.

The database recognizes contributions that certainly count; `core.plan.points.defect` judges the
rest. A contract test gives the same odd documents to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from worker.adapters.mongo import names
from worker.adapters.mongo.base import canonical_id
from worker.adapters.mongo.connection import Document
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import Rules

_FIRST_DATE = datetime.min.replace(tzinfo=UTC)
"""Python cannot represent an earlier date, so an earlier date counts as missing."""
_LAST_ID = ObjectId("f" * 24)
_LAST_SECOND = datetime.fromtimestamp(2**32 - 1, UTC)
_POINTS = "$total_points"
BY_DATE = {"created_at": -1}
BY_ID = {"_id": 1}
BY_USER = {"user_id": 1, "created_at": -1}
_NO_OBJECT_ID = {"$not": {"$type": "objectId"}}

ODD_FIELDS = {
    "id": "$_id",
    "user_id": "$user_id",
    "type": "$type",
    "total_points": _POINTS,
    "created_at": "$created_at",
}


def in_week(window: PointsWindow) -> Document:
    return {"created_at": {"$gte": window.week.start, "$lt": window.week.end}}


def own(window: PointsWindow) -> Document:
    """Created in the week, and recorded before the cut-off or at an unknown time."""
    cutoff, random = _ids_after(window)
    before = [{"_id": {"$lt": cutoff}}, {"_id": {"$gte": random}}, {"_id": _NO_OBJECT_ID}]
    return {**in_week(window), "$or": before}


def after_cutoff(window: PointsWindow) -> Document:
    """Created in the week, and recorded after the cut-off."""
    cutoff, random = _ids_after(window)
    return {**in_week(window), "_id": {"$gte": cutoff, "$lt": random}}


def _ids_after(window: PointsWindow) -> tuple[ObjectId, ObjectId]:
    """The first ObjectId after the cut-off, and the first random one (see `PointsWindow`)."""
    return first_id_of(window.cutoff), first_id_of(max(window.cutoff, window.random_from))


def late(window: PointsWindow) -> Document | None:
    """Created before the week, and recorded since the last plan.

    The first plan has no late contributions.

    Most contributions fail the first comparison of `created_at`, which makes it the cheaper one.
    A query compares each element of an array: without the last condition, an array of dates could
    be both in the week and late.
    """
    if window.previous_cutoff is None:
        return None
    known = [
        {"$or": [{"created_at": {"$gte": end}}, {"_id": {"$lt": first_id_of(random)}}]}
        for end, random in window.late_weeks()
    ]
    return {
        **_recorded(window.previous_cutoff, window),
        "created_at": {"$lt": window.week.start, "$gte": window.late_from},
        "created_at.0": {"$exists": False},
        **({"$and": known} if known else {}),
    }


def undated(window: PointsWindow) -> Document:
    """Contributions without a date that were recorded since the last plan or have no ObjectId.

    The condition on `created_at` can use the index on dates: other types sort around all dates.
    """
    since = window.previous_cutoff or window.week.start
    return {
        "created_at": {"$not": {"$gte": _FIRST_DATE}},
        "$or": [_recorded(since, window), {"_id": _NO_OBJECT_ID}],
    }


def _recorded(since: datetime, window: PointsWindow) -> Document:
    return {"_id": {"$gte": first_id_of(since), "$lt": first_id_of(window.cutoff)}}


def first_id_of(second: datetime) -> ObjectId:
    """The lowest ObjectId that can be generated in a second; the highest of all after 2106."""
    return _LAST_ID if second > _LAST_SECOND else ObjectId.from_datetime(second)


# --- one contribution --------------------------------------------------------------------------


def counts(rules: Rules) -> Document:
    """Whether a contribution with a date counts, if its user is valid (see `is_user`)."""
    return {"$expr": {"$and": [*_is_possible(rules), _IS_WHOLE]}}


def is_user(value: str) -> Document:
    """Whether an expression is a user's id: text, or an ObjectId."""
    return {"$expr": {"$and": _is_user(value)}}


def _is_user(value: str) -> list[Document]:
    return [{"$in": [{"$type": value}, ["string", "objectId"]]}, {"$ne": [value, ""]}]


def _is_possible(rules: Rules) -> list[Document]:
    """Whether a contribution has a date, a known type, and points in the range of the type.

    Expressions compare values of all types: arrays sort before dates, and values that are not
    numbers lie outside of every range of points. An unknown type gets the last limit, -1.
    """
    kinds = list(rules.points.base_points)
    limits = [*(rules.points.highest_points(kind) for kind in kinds), -1]
    kind_index = {"$indexOfArray": [{"$literal": kinds}, "$type"]}
    return [
        {"$gte": [_POINTS, 0]},
        {"$lte": [_POINTS, {"$arrayElemAt": [{"$literal": limits}, kind_index]}]},
        {"$gte": ["$created_at", _FIRST_DATE]},
    ]


_IS_WHOLE: Document = {
    "$or": [
        {"$in": [{"$type": _POINTS}, ["int", "long"]]},
        {
            "$and": [
                {"$eq": [{"$type": _POINTS}, "double"]},
                {"$eq": [{"$mod": [_POINTS, 1]}, 0]},
            ]
        },
    ]
}


# --- the sum of a week --------------------------------------------------------------------------


def sum_stages(window: PointsWindow, rules: Rules, mark: str, *, exactly: bool) -> list[Document]:
    """One aggregation for everything that a plan counts or lists.

    It gives groups `{_id, points, count, late}`. `_id` is a user's id for contributions that
    count, `{mark: contribution}` for one that `core.plan.points.defect` must judge, and
    `{mark: null}` for all that were recorded after the cut-off. `mark` must be random, so that no
    stored user id can contain it.

    Unless `exactly`, points of any numeric type and users of any type are grouped. These groups are
    exact if each sum is an integer and each user has one `_id`. A double or Decimal128 would show
    in the type of the sum.
    """
    usual = _is_possible(rules)
    if exactly:
        usual += [_IS_WHOLE, *_is_user("$user_id")]
    odd = {mark: ODD_FIELDS}
    groups = [_group({"$cond": [{"$and": usual}, "$user_id", odd]})]
    if exactly:
        groups.append(_BY_CANONICAL_ID)
    stages = [{"$match": own(window)}, *groups]
    if (is_late := late(window)) is not None:
        stages.append(_union({"$match": is_late}, *groups, {"$addFields": {"late": True}}))
    after = _union({"$match": after_cutoff(window)}, _group({mark: None}))
    return [*stages, _union({"$match": undated(window)}, _group(odd)), after]


_BY_CANONICAL_ID: Document = {
    "$group": {
        "_id": {
            "$switch": {
                "branches": [
                    {
                        "case": {"$eq": [{"$type": "$_id"}, "objectId"]},
                        "then": {"$toString": "$_id"},
                    },
                    {"case": {"$eq": [{"$type": "$_id"}, "object"]}, "then": "$_id"},
                    {
                        "case": {"$regexMatch": {"input": "$_id", "regex": "^[0-9a-fA-F]{24}$"}},
                        "then": {"$toLower": "$_id"},
                    },
                ],
                "default": "$_id",
            }
        },
        "points": {"$sum": "$points"},
        "count": {"$sum": "$count"},
    }
}
"""Grouping by the stored id first, and then by its canonical form, saves a million conversions."""


def _group(key: Document) -> Document:
    return {"$group": {"_id": key, "points": {"$sum": _POINTS}, "count": {"$count": {}}}}


def _union(*stages: Document) -> Document:
    return {"$unionWith": {"coll": names.CONTRIBUTIONS, "pipeline": list(stages)}}


def as_plain(contribution: Mapping[str, Any]) -> dict[str, object]:
    """A contribution in the form that `core.plan.points.defect` takes."""
    return {
        "user_id": canonical_user(contribution),
        "type": contribution.get("type"),
        "total_points": contribution.get("total_points"),
        "created_at_is_date": isinstance(contribution.get("created_at"), datetime),
    }


def canonical_user(document: Mapping[str, Any]) -> str:
    """The user of a document; empty if the document names none."""
    return canonical_id(document.get("user_id"))
