"""Indexes: built beside what the wiki has, which is dropped only when ours is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import OperationFailure

from worker.adapters.mongo.base import DUPLICATE_KEY
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema.differences import (
    has_other_purpose,
    index_documents,
    keys_of,
    serves,
)
from worker.adapters.mongo.schema.origin import record_dropped
from worker.adapters.mongo.schema.spec import IndexSpec
from worker.core.errors import KontribError

_OPTIONS_CONFLICT = 85
_NOT_FOUND = 27
_NOT_FOR_CREATION = {"v", "ns", "storageEngine"}
OUR_PREFIX = "kontrib_"
"""Of the name of an index of ours whose usual name is taken."""


class IndexRefused(KontribError):
    """The server does not build an index."""

    def __init__(self, collection: str, index: str, error: OperationFailure) -> None:
        why = (error.details or {}).get("errmsg", str(error))
        super().__init__(
            f"The server refuses the index {collection}.{index}: {why}. Correct what it names, "
            "and run `kontrib migrate` again; it continues there."
        )


def build_index(database: Mongo, collection: str, index: IndexSpec) -> None:
    """Build an index, then drop those of the wiki's that it replaces; recorded before.

    Raises:
        DuplicateKeyError: values are there twice.
        IndexRefused: the server does not build it for another reason.
    """
    existing = index_documents(database, collection)
    replaced = [each for each in existing if replaces(index, each)]
    if not any(serves(each, index) for each in existing):
        options = index.options | {"name": _free_name(index, existing)}
        try:
            _create(database, collection, {"key": dict(index.keys), **options})
        except OperationFailure as error:
            if error.code != _OPTIONS_CONFLICT:
                raise
            if not replaced:
                raise IndexRefused(collection, index.name, error) from None
            # Servers before 5.0 have one index for the same keys.
            _swap(database, collection, replaced, {"key": dict(index.keys), **index.options})
    for each in replaced:
        record_dropped(database, collection, each)
        drop_index(database, collection, each["name"])


def restore_index(database: Mongo, collection: str, document: Mapping[str, Any]) -> None:
    """Build an index again, as it was recorded. Does nothing if it is there."""
    wanted = {k: v for k, v in document.items() if k not in _NOT_FOR_CREATION}
    try:
        _create(database, collection, wanted)
    except OperationFailure as error:
        raise IndexRefused(collection, document["name"], error) from None


def drop_index(database: Mongo, collection: str, name: str) -> None:
    """Drop an index, unless another process was faster."""
    try:
        database[collection].drop_index(name)
    except OperationFailure as error:
        if error.code != _NOT_FOUND:
            raise


def replaces(index: IndexSpec, existing: Mapping[str, Any]) -> bool:
    """Whether an index of the wiki's has the same keys and differs in uniqueness alone."""
    is_special = has_other_purpose(existing) or "partialFilterExpression" in existing
    same = keys_of(existing) == index.keys and index.partial is None and not is_special
    return same and not serves(existing, index)


def _free_name(index: IndexSpec, existing: list[Document]) -> str:
    taken = any(each["name"] == index.name for each in existing)
    return f"{OUR_PREFIX}{index.name}" if taken else index.name


def _swap(
    database: Mongo, collection: str, replaced: list[Document], wanted: Mapping[str, Any]
) -> None:
    """Drop, and build; what was dropped comes back if that fails."""
    for each in replaced:
        record_dropped(database, collection, each)
        drop_index(database, collection, each["name"])
    try:
        _create(database, collection, wanted)
    except BaseException:
        for each in replaced:
            restore_index(database, collection, each)
        raise


def _create(database: Mongo, collection: str, document: Mapping[str, Any]) -> None:
    try:
        database.command("createIndexes", collection, indexes=[dict(document)])
    except OperationFailure as error:
        if error.code in (DUPLICATE_KEY, _OPTIONS_CONFLICT):
            raise
        raise IndexRefused(collection, document["name"], error) from None
