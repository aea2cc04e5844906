"""The fields that migration adds, as expressions of an update."""

from __future__ import annotations

from collections.abc import Sequence

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.schema.spec import CollectionSpec
from worker.core.wiki.stored_counters import NOT_RECOUNTED, REPUTATION, REPUTATION_WRITTEN

OWN_FIELDS = (
    *(names.ACCOUNT_MADE_AT, names.ACCOUNT_WALLETS, "idempotency_key"),
    *(*names.USER_OPENINGS, *names.ARTICLE_OPENINGS, NOT_RECOUNTED, REPUTATION_WRITTEN),
)
"""Additions to the owner's schema of users, articles and contributions, besides exact twins."""
NEVER_COMPUTED = ("demand_score", "quality_score", "token_metadata")
"""Fields of the owner's that migration adds, and only the wiki changes."""


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


def without_added(spec: CollectionSpec, ours: Sequence[str]) -> list[Document]:
    """A pipeline that takes away our fields, and the owner's that migration added to a document.

    Of the owner's fields, one that no recount computes stays if the wiki has changed it since.
    """
    noted = {"$cond": [{"$isArray": f"${names.ADDED_FIELDS}"}, f"${names.ADDED_FIELDS}", []]}
    owners: Document = {}
    for name, default in spec.added_fields.items():
        if is_ours(name):
            continue
        conditions: list[Document] = [{"$in": [name, noted]}]
        if name == REPUTATION:
            conditions.append({"$eq": [f"${name}", f"${REPUTATION_WRITTEN}"]})
        elif name in NEVER_COMPUTED:
            conditions.append({"$eq": [f"${name}", {"$literal": default}]})
        owners[name] = {"$cond": [{"$and": conditions}, "$$REMOVE", f"${name}"]}
    removed = {"$unset": [*ours, *([names.ADDED_FIELDS] if owners else [])]}
    return [{"$set": owners}, removed] if owners else [removed]
