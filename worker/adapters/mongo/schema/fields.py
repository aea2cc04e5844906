"""The fields that migration adds, as expressions of an update."""

from __future__ import annotations

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.schema.origin import Origin
from worker.adapters.mongo.schema.spec import CollectionSpec


def defaults(spec: CollectionSpec, origin: Origin) -> Document:
    """A default for each field that is missing.

    Where other documents of the wiki's had a field before, the document notes that migration added
    it. A rollback then removes it from this document, and from no other.
    """
    wikis = [name for name in spec.added_fields if name in origin.fields.get(spec.name, ())]
    fields: Document = {
        name: if_missing(name, {"$literal": value}, f"${name}")
        for name, value in spec.added_fields.items()
    }
    if wikis:
        noted = f"${names.ADDED_FIELDS}"
        added = {"$concatArrays": [if_missing(name, [name], []) for name in wikis]}
        union = {"$setUnion": [{"$ifNull": [noted, []]}, added]}
        fields[names.ADDED_FIELDS] = {
            "$cond": [{"$eq": [union, []]}, {"$ifNull": [noted, "$$REMOVE"]}, union]
        }
    return fields


def if_missing(name: str, then: object, otherwise: object) -> Document:
    """One of two expressions, by whether a document has a field."""
    return {"$cond": [{"$eq": [{"$type": f"${name}"}, "missing"]}, then, otherwise]}
