"""Finds the differences between a database and the schema.

It only reads; migration resolves the differences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.counting.openings import without_opening
from worker.adapters.mongo.schema import duplicates
from worker.adapters.mongo.schema.origin import recorded_origin, validation_of
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.schema.spec import COLLECTIONS, SCHEMA_VERSION, CollectionSpec, IndexSpec
from worker.core.errors import Refused
from worker.core.findings import Finding
from worker.core.plan.rules import CONFIG_ID
from worker.core.wording import counted

SCHEMA_ID = "schema"


class VersionUnreadable(Refused):
    """The schema version of the database is unknown, so migration leaves the database unchanged."""

    def __init__(self, found: object) -> None:
        what = "missing" if found is None else repr(found)
        super().__init__(
            f"{names.SYSTEM_CONFIG}.{SCHEMA_ID}.version is {what}, not a number. Set it to "
            f"the version that the database has ({SCHEMA_VERSION}, unless a newer program "
            "migrated it), and run `kontrib migrate`. Nothing was changed."
        )


class Kind(StrEnum):
    """Kinds of differences, in the order in which migration resolves them."""

    COLLECTION = "collection missing"
    VALIDATOR = "validator differs"
    # Fields come before indexes: setting a field is twice as fast without an index.
    FIELD = "field missing"
    DUPLICATES = "values that must be unique are not"
    INDEX = "index differs"
    # After the indexes, which it reads contributions and rewards by.
    OPENING = "opening balances missing"
    CONFIG = "configuration missing"
    VERSION = "schema version differs"


def differences(database: Mongo, set_aside: Collection[str] = ()) -> list[Finding]:
    """Everything that differs, in the order in which it is mended.

    A finding's area is its `Kind`, its subject the collection, or `collection.name` for an index,
    field or key. Collections that are set aside count as missing.
    """
    listed = map(dict, database.list_collections())
    existing = {each["name"]: each for each in listed if each["name"] not in set_aside}
    kept = _with_validators(database, existing)
    found = [
        finding
        for spec in COLLECTIONS
        for finding in _of_collection(database, spec, existing, kept)
    ]
    found += [*_of_config(database), *_of_version(database)]
    order = list(Kind)
    return sorted(found, key=lambda finding: order.index(Kind(finding.area)))


def _of_collection(
    database: Mongo,
    spec: CollectionSpec,
    existing: Mapping[str, Document],
    kept: Collection[str],
) -> Iterator[Finding]:
    if (kind := existing.get(spec.name, {}).get("type", "collection")) != "collection":
        yield Finding(Kind.COLLECTION, spec.name, f"a {kind}", "a collection")
        return
    if spec.name not in existing:
        yield Finding(Kind.COLLECTION, spec.name, "missing", "there")
    elif spec.validator is not None and (spec.validator.blocks or spec.name not in kept):
        options = existing[spec.name].get("options", {})
        wanted = spec.validator.options
        if any(options.get(name) != value for name, value in wanted.items()):
            state = "there" if options.get("validator") else "missing"
            yield Finding(Kind.VALIDATOR, f"{spec.name}.validator", state, "as in the schema")
    indexes = index_documents(database, spec.name) if spec.name in existing else []
    for index in spec.indexes:
        yield from _of_index(database, spec, index, indexes)
    if spec.name in existing:
        yield from _of_fields(database, spec)
        yield from _of_openings(database, spec)
    if spec.name == names.WEEKLY_DISTRIBUTIONS and spec.name in existing:
        yield from _of_odd_weeks(database)


def _of_openings(database: Mongo, spec: CollectionSpec) -> Iterator[Finding]:
    if spec.name not in (names.USERS, names.ARTICLES):
        return
    if count := database[spec.name].count_documents(without_opening()):
        found = f"missing in {counted(count, 'document')} that the wiki has counted in"
        yield Finding(Kind.OPENING, f"{spec.name}.opening", found, "in each of them")


def _of_odd_weeks(database: Mongo) -> Iterator[Finding]:
    if odd := len(duplicates.odd_weeks(database)):
        found = f"{odd} distributions that begin at no Monday 00:00 UTC"
        yield Finding(Kind.DUPLICATES, f"{names.WEEKLY_DISTRIBUTIONS}.week_start", found, "none")


def _with_validators(database: Mongo, existing: Mapping[str, Document]) -> Collection[str]:
    """Which collections had a validator of the wiki's before the first migration."""
    if (origin := recorded_origin(database)) is not None:
        return origin.validators
    if recorded_version(database) is not None:
        return ()
    return [name for name, each in existing.items() if validation_of(each.get("options", {}))]


def index_documents(database: Mongo, collection: str) -> list[Document]:
    return [dict(each) for each in database[collection].list_indexes()]


def _of_index(
    database: Mongo, spec: CollectionSpec, index: IndexSpec, indexes: list[Document]
) -> Iterator[Finding]:
    same_keys = [each for each in indexes if keys_of(each) == index.keys]
    if any(serves(each, index) for each in same_keys):
        return
    subject = f"{spec.name}.{index.name}"
    what = duplicates.describe(database, spec.name) if index.unique and indexes else []
    if what:
        yield Finding(Kind.DUPLICATES, subject, "; ".join(what), "unique")
    found = ", ".join(_options_text(each) for each in same_keys) or "missing"
    yield Finding(Kind.INDEX, subject, found, _options_text(index.options))


def serves(document: Mapping[str, Any], index: IndexSpec) -> bool:
    """Whether an existing index, whatever its name, does what the schema's does."""
    if keys_of(document) != index.keys or has_other_purpose(document):
        return False
    if not index.unique and document.get("unique"):
        return not document.get("sparse") and not document.get("partialFilterExpression")
    return (
        bool(document.get("unique")) == index.unique
        and bool(document.get("sparse")) == index.sparse
        and document.get("partialFilterExpression") == index.partial
    )


def has_other_purpose(document: Mapping[str, Any]) -> bool:
    """Whether an index compares text in a way of its own, serves no query, or deletes documents."""
    return bool(
        document.get("collation") or document.get("hidden") or "expireAfterSeconds" in document
    )


def keys_of(document: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (field, int(direction) if isinstance(direction, int | float) else 0)
        for field, direction in document["key"].items()
    )


def _options_text(options: Mapping[str, Any]) -> str:
    """`unique, sparse`, or `plain`."""
    words = [word for word in ("unique", "sparse") if options.get(word)]
    if (partial := options.get("partialFilterExpression")) is not None:
        words.append(f"partial {dict(partial)}")
    return ", ".join(words) or "plain"


def _of_fields(database: Mongo, spec: CollectionSpec) -> Iterator[Finding]:
    for field, missing in _missing_fields(database, spec).items():
        if missing:
            found = f"missing in {counted(missing, 'document')}"
            yield Finding(Kind.FIELD, f"{spec.name}.{field}", found, "in every document")


def _missing_fields(database: Mongo, spec: CollectionSpec) -> dict[str, int]:
    """The number of documents that lack each added field, counted in one pass."""
    if not spec.added_fields:
        return {}
    sums: Document = {
        field: {"$sum": {"$cond": [{"$eq": [{"$type": f"${field}"}, "missing"]}, 1, 0]}}
        for field in spec.added_fields
    }
    found = list(database[spec.name].aggregate([{"$group": {"_id": None, **sums}}]))
    return {field: found[0][field] for field in spec.added_fields} if found else {}


def _of_config(database: Mongo) -> Iterator[Finding]:
    document = database[names.SYSTEM_CONFIG].find_one({"_id": CONFIG_ID})
    if document is None:
        yield Finding(Kind.CONFIG, f"{names.SYSTEM_CONFIG}.{CONFIG_ID}", "missing", "there")
        return
    for key in CONFIG:
        if key not in document:
            yield Finding(Kind.CONFIG, f"{names.SYSTEM_CONFIG}.{key}", "missing", "set")


def _of_version(database: Mongo) -> Iterator[Finding]:
    version = recorded_version(database)
    if version != SCHEMA_VERSION:
        found = "none" if version is None else str(version)
        subject = f"{names.SYSTEM_CONFIG}.{SCHEMA_ID}"
        yield Finding(Kind.VERSION, subject, found, str(SCHEMA_VERSION))


def recorded_version(database: Mongo) -> int | None:
    """The version that a migration left; None before the first one.

    Raises:
        VersionUnreadable: the document holds something else.
    """
    document = database[names.SYSTEM_CONFIG].find_one({"_id": SCHEMA_ID})
    if document is None:
        return None
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int | float) or version % 1 != 0:
        raise VersionUnreadable(version)
    return int(version)
