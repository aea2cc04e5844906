"""Indexes of the wiki's that would lose our records, or refuse what this system writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema import duplicates
from worker.adapters.mongo.schema.differences import keys_of
from worker.adapters.mongo.schema.indexes import replaces
from worker.adapters.mongo.schema.spec import CollectionSpec
from worker.adapters.mongo.schema.validation import CONFIG_FIELDS

_OF_PLACES = ("2d", "2dsphere", "2dsphere_bucket", "geoHaystack")
_LISTS = {names.ACCOUNT_WALLETS, names.ADDED_FIELDS}
_OF_USERS = {names.WALLET_CONFLICT, names.WALLET_REMOVED, names.ADDED_FIELDS}


def index_obstacles(
    database: Mongo, spec: CollectionSpec, existing: list[Document]
) -> Iterator[str]:
    """Why each index of a collection is in the way."""
    written = _written(spec)
    for document in existing:
        name, keys = document["name"], {field for field, _ in keys_of(document)}
        touched = {key for key in keys if _root(key) in written}
        if "expireAfterSeconds" in document and (touched or not spec.wiki_owned):
            yield f"has the index {name}, which deletes old documents. Drop it: they are records."
        elif odd := sorted(_refuses_values(document, touched)):
            yield (
                f"has the index {name} of another kind on {', '.join(odd)}, which would refuse "
                "the values of this system. Drop it."
            )
        elif (document.get("unique") or document.get("prepareUnique")) and keys != {"_id"}:
            if spec.wiki_owned:
                yield from _of_wikis_unique(database, spec, document, existing)
            else:
                yield from _of_unique(spec, document, written)


def _written(spec: CollectionSpec) -> set[str]:
    """The fields that this system writes to a collection's documents."""
    validated = spec.validator.schema["properties"] if spec.validator else ()
    of_users = _OF_USERS if spec.wiki_owned else set()
    config = CONFIG_FIELDS if spec.name == names.SYSTEM_CONFIG else set()
    added = set(spec.added_fields) | set(spec.service_fields)
    return {*validated, *of_users, *config, *added}


def _root(field: str) -> str:
    """The field of a dotted name. `metadata` is the wiki's, whose inner fields we only pass on."""
    root, _, inner = field.partition(".")
    return field if inner and root == "metadata" else root


def _refuses_values(document: Mapping[str, Any], touched: set[str]) -> Iterator[str]:
    """Our fields that an index of a special kind takes in one form alone."""
    for field, kind in document["key"].items():
        is_hashed_list = kind == "hashed" and _root(field) in _LISTS
        if field in touched and (kind in _OF_PLACES or is_hashed_list):
            yield field


def _of_unique(
    spec: CollectionSpec, document: Mapping[str, Any], written: set[str]
) -> Iterator[str]:
    """A unique index of a collection whose documents are ours, too."""
    keys = {field for field, _ in keys_of(document)}
    if any(_implies(index.sparse, {k for k, _ in index.keys}, document) for index in spec.indexes
           if index.unique):  # fmt: skip
        return
    if document.get("sparse") and not any(_root(key) in written for key in keys):
        return  # our documents are not in it
    if _excludes_ours(document.get("partialFilterExpression") or {}, written):
        return
    yield (
        f"has the unique index {document['name']} on {', '.join(sorted(keys))}, which would refuse "
        "records of ours. Make it an ordinary index, or drop it."
    )


def _implies(is_sparse: bool, ours: set[str], document: Mapping[str, Any]) -> bool:
    """Whether a unique index of ours already refuses what another one refuses."""
    keys = {field for field, _ in keys_of(document)}
    if not ours <= keys or document.get("collation"):
        return False  # text that differs in case only is one value for a collation
    is_narrow = document.get("sparse") or document.get("partialFilterExpression") is not None
    # The same keys without sparse: migration replaces such an index by ours.
    return not is_sparse or bool(is_narrow) or keys == ours


def _excludes_ours(selected: Mapping[str, Any], written: set[str]) -> bool:
    """Whether a partial index asks for a field that this system never writes."""
    parts = [each for each in selected.get("$and", ()) if _excludes_ours(each, written)]
    return bool(parts) or any(
        not field.startswith("$")
        and _root(field) not in written
        and not _holds_for_missing(condition)
        for field, condition in selected.items()
    )


def _holds_for_missing(condition: object) -> bool:
    """Whether a condition may hold for a document without the field."""
    if isinstance(condition, Mapping):
        return any(
            value is None
            or (key == "$exists" and not value)
            or (isinstance(value, list) and None in value)
            for key, value in condition.items()
        )
    return condition is None


def _of_wikis_unique(
    database: Mongo, spec: CollectionSpec, document: Mapping[str, Any], existing: list[Document]
) -> Iterator[str]:
    """A unique index of users or articles over fields that this system changes."""
    keys = {field for field, _ in keys_of(document)}
    name, written = document["name"], _written(spec) - {names.WALLET}
    is_ours = keys == {names.WALLET} and document.get("sparse")
    if names.WALLET in keys and not is_ours and duplicates.describe(database, spec.name):
        yield (
            f"has the unique index {name}, which is not sparse on {names.WALLET} alone, and users "
            f"whose {names.WALLET} is null, empty or another user's. Create it again with "
            "`sparse: true`, or correct these users."
        )
    selected = document.get("partialFilterExpression") or {}
    changed = {key for key in keys if _root(key) in written}
    if any(replaces(index, document) for index in spec.indexes):
        lacking = {"$or": [{key: {"$exists": False}} for key in changed]}
        if not changed or database[spec.name].find_one(lacking, {"_id": 1}) is None:
            return  # ours takes its place before any value changes
    others = [each for each in existing if each is not document]
    if changed and any(_is_unique_by(keys - changed, each) for each in others):
        return
    if changed | {key for key in selected if _root(key) in written}:
        yield (
            f"has the unique index {name} on {', '.join(sorted(keys))}, where several documents "
            "get the same values. Make it an ordinary index, or drop it."
        )


def _is_unique_by(keys: set[str], document: Mapping[str, Any]) -> bool:
    """Whether an index makes documents differ in these keys."""
    is_whole = not any(
        document.get(name) for name in ("sparse", "partialFilterExpression", "collation")
    )
    is_unique = bool(document.get("unique")) or document["name"] == "_id_"
    return is_unique and is_whole and {field for field, _ in keys_of(document)} <= keys
