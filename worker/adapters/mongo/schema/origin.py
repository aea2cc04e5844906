"""What a database was before its first migration: written before anything else is changed.

A rollback removes what is not in this record, and nothing else. Definitions of the wiki's indexes
and validators are kept as extended JSON, because their keys may begin with a dollar sign.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import json_util
from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec
from worker.core.plan.rules import CONFIG_ID, DEFAULT_REPUTATION_STEPS
from worker.core.wiki.stored_counters import NOT_RECOUNTED, REPUTATION, REPUTATION_WRITTEN

ORIGIN_ID = "before_migration"
VALIDATION = ("validator", "validationLevel", "validationAction")
OUR_COLLECTIONS = (*(s.name for s in COLLECTIONS), names.WEEKLY_DISTRIBUTIONS_CONFLICTS)
OWN_FIELDS = (
    *(names.ACCOUNT_MADE_AT, names.ACCOUNT_WALLETS, "idempotency_key"),
    *(*names.USER_OPENINGS, *names.ARTICLE_OPENINGS, NOT_RECOUNTED, REPUTATION_WRITTEN),
)
"""Additions to the owner's schema of users, articles and contributions, besides exact twins."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The record. `is_known` is false if a version without this record migrated the database."""

    collections: frozenset[str] = frozenset()
    """Which of our collections were there."""
    indexes: Mapping[str, list[str]] = field(default_factory=dict)
    """Names of the indexes that each of them had."""
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    """Which of our fields any of their documents had."""
    validators: Mapping[str, Document] = field(default_factory=dict)
    """The validation options of those that had a validator."""
    distributions: tuple[Any, ...] = ()
    """The `_id` of every weekly distribution."""
    config_ids: tuple[Any, ...] = ()
    """The `_id` of every document of `system_config`."""
    config_keys: tuple[str, ...] = ()
    """The keys of `token_system`."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Collections of another meaning, and the names under which they are kept."""
    dropped: tuple[tuple[str, Document], ...] = ()
    """Indexes of the wiki's that ours have replaced, as (collection, definition)."""
    own_reputation: bool = False
    """Whether any user had a reputation score."""
    is_known: bool = True

    def document(self, now: datetime) -> Document:
        """The record as it is stored."""
        return {
            "_id": ORIGIN_ID,
            "recorded_at": now,
            "collections": sorted(self.collections),
            "indexes": dict(self.indexes),
            "fields": dict(self.fields),
            "validators": {name: json_util.dumps(v) for name, v in self.validators.items()},
            "distributions": list(self.distributions),
            "config_ids": list(self.config_ids),
            "config_keys": list(self.config_keys),
            "renamed": dict(self.renamed),
            "own_reputation": self.own_reputation,
        }


def recorded_origin(database: Mongo) -> Origin | None:
    """What the first migration recorded; None if there was none, or one without a record."""
    document = database[names.SYSTEM_CONFIG].find_one({"_id": ORIGIN_ID})
    if document is None:
        return None
    loads: Any = json_util.loads
    return Origin(
        collections=frozenset(document.get("collections", ())),
        indexes=document.get("indexes", {}),
        fields=document.get("fields", {}),
        validators={k: loads(v) for k, v in document.get("validators", {}).items()},
        distributions=tuple(document.get("distributions", ())),
        config_ids=tuple(document.get("config_ids", ())),
        config_keys=tuple(document.get("config_keys", ())),
        renamed=document.get("renamed", {}),
        dropped=tuple((e["collection"], loads(e["index"])) for e in document.get("dropped", ())),
        own_reputation=bool(document.get("own_reputation")),
        is_known="recorded_at" in document,
    )


def record_origin(database: Mongo, now: datetime, set_aside: Mapping[str, str]) -> Origin:
    """Record what is there, once. Of several migrations at once, the first one's record counts."""
    config = database[names.SYSTEM_CONFIG]
    document = look(database, set_aside).document(now)
    # A duplicate: another migration recorded it, before it changed anything.
    with contextlib.suppress(DuplicateKeyError):
        config.insert_one(document)
    return recorded_origin(database) or Origin()


def look(database: Mongo, set_aside: Mapping[str, str] | None = None) -> Origin:
    """What is there now. Collections that are set aside count as missing."""
    set_aside = set_aside or {}
    found = map(dict, database.list_collections())
    listed = {each["name"]: each for each in found if each.get("type") == "collection"}
    there = frozenset(n for n in OUR_COLLECTIONS if n in listed and n not in set_aside)
    config = database[names.SYSTEM_CONFIG]
    validators = {name: validation_of(listed[name].get("options", {})) for name in there}
    weeks: list[Document] = []
    if names.WEEKLY_DISTRIBUTIONS in there:
        weeks = list(database[names.WEEKLY_DISTRIBUTIONS].find({}, {"_id": 1}))
    return Origin(
        collections=there,
        indexes={name: [i["name"] for i in database[name].list_indexes()] for name in there},
        fields={s.name: _fields_there(database, s) for s in COLLECTIONS if s.name in there},
        validators={name: options for name, options in validators.items() if options},
        distributions=tuple(each["_id"] for each in weeks),
        config_ids=tuple(each["_id"] for each in config.find({}, {"_id": 1})),
        config_keys=tuple(config.find_one({"_id": CONFIG_ID}) or ()),
        renamed=dict(set_aside),
        own_reputation=_has_score(database, besides=()),
    )


def has_own_reputation(database: Mongo, origin: Origin) -> bool:
    """Whether users had scores before migration, which gives a default to everyone.

    A version that recorded nothing wrote that default, and the values of the steps.
    """
    if origin.is_known:
        return origin.own_reputation
    return _has_score(database, [1.0, *(s["reputation"] for s in DEFAULT_REPUTATION_STEPS)])


def _has_score(database: Mongo, besides: Sequence[float]) -> bool:
    scored = {"reputation_score": {"$nin": [None, *besides]}}
    return database[names.USERS].find_one(scored, {"_id": 1}) is not None


def record_dropped(database: Mongo, collection: str, index: Mapping[str, Any]) -> None:
    """Record an index of the wiki's, before it is dropped."""
    entry = {"collection": collection, "index": json_util.dumps(dict(index))}
    update = {"$addToSet": {"dropped": entry}}
    database[names.SYSTEM_CONFIG].update_one({"_id": ORIGIN_ID}, update, upsert=True)


def validation_of(options: Mapping[str, Any]) -> Document:
    """A collection's validation options; empty if nothing is validated."""
    if not options.get("validator"):
        return {}
    return {name: options[name] for name in VALIDATION if name in options}


def our_fields(spec: CollectionSpec) -> list[str]:
    """The fields that this system writes to documents of the wiki's, the owner's included."""
    return [*spec.service_fields, *spec.added_fields]


def _fields_there(database: Mongo, spec: CollectionSpec) -> list[str]:
    """Which of our fields any document has, from one pass over them."""
    fields = our_fields(spec)
    if not fields:
        return []
    sums: Document = {
        name: {"$max": {"$cond": [{"$eq": [{"$type": f"${name}"}, "missing"]}, 0, 1]}}
        for name in fields
    }
    found = list(database[spec.name].aggregate([{"$group": {"_id": None, **sums}}]))
    return [name for name in fields if found and found[0][name]]


def defaults(spec: CollectionSpec) -> Document:
    """A default for each field that is missing.

    The document notes which of the owner's fields migration added. A rollback then removes them
    from this document, and from no other.
    """
    fields: Document = {
        name: if_missing(name, {"$literal": value}, f"${name}")
        for name, value in spec.added_fields.items()
    }
    owners = [name for name in spec.added_fields if not is_ours(name)]
    noted = f"${names.ADDED_FIELDS}"
    added = {"$concatArrays": [if_missing(name, [name], []) for name in owners]}
    union = {"$setUnion": [{"$ifNull": [noted, []]}, added]}
    fields[names.ADDED_FIELDS] = {
        "$cond": [{"$eq": [union, []]}, {"$ifNull": [noted, "$$REMOVE"]}, union]
    }
    if REPUTATION in spec.added_fields:
        default = {"$literal": spec.added_fields[REPUTATION]}
        written = {"$ifNull": [f"${REPUTATION_WRITTEN}", "$$REMOVE"]}
        fields[REPUTATION_WRITTEN] = if_missing(REPUTATION, default, written)
    return fields


def is_ours(name: str) -> bool:
    """Whether a field is an addition to the owner's schema."""
    return name.endswith("_base_units") or name in OWN_FIELDS


def if_missing(name: str, then: object, otherwise: object) -> Document:
    """One of two expressions, by whether a document has a field."""
    return {"$cond": [{"$eq": [{"$type": f"${name}"}, "missing"]}, then, otherwise]}
