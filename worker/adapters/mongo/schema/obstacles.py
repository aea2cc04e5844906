"""What migration cannot take, found before it writes anything.

Each obstacle is a sentence that names the collection, the documents, and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from worker.adapters.mongo import names
from worker.adapters.mongo.base import STREAM_BATCH
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.payout.control import CONTROL_ID
from worker.adapters.mongo.payout.weeks import GENESIS_ID
from worker.adapters.mongo.schema.differences import index_documents, serves
from worker.adapters.mongo.schema.index_obstacles import index_obstacles
from worker.adapters.mongo.schema.origin import OUR_COLLECTIONS, validation_of
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec, IndexSpec
from worker.adapters.mongo.schema.validation import blocks, violations
from worker.core.errors import Refused
from worker.core.findings import Finding
from worker.core.wording import counted

LISTED_MAX = 20
INDEXES_MAX = 64
"""MongoDB's limit for a collection."""
SET_ASIDE_SUFFIX = "_before_kontrib"
_RESOLVED = (names.USERS, names.WEEKLY_DISTRIBUTIONS)
"""Collections whose duplicates migration resolves itself."""
_KINDS = {
    "view": "is a view: its documents belong to another collection",
    "timeseries": "is a time series: its documents cannot be changed",
}
_HARMLESS = {
    *("validator", "validationLevel", "validationAction", "comment", "writeConcern"),
    *("storageEngine", "indexOptionDefaults", "size", "max", "flags", "idIndex", "uuid"),
    *("changeStreamPreAndPostImages", "recordPreImages", "autoIndexId", "temp", "capped"),
}
"""Options of a collection that every write may ignore, or that are looked at on their own."""
_REFUSED = {
    "timeseries": _KINDS["timeseries"],
    "viewOn": _KINDS["view"],
    "pipeline": _KINDS["view"],
    "expireAfterSeconds": "deletes old documents by itself, and they are records",
    "clusteredIndex": "is clustered by _id, and has no ordinary index on it",
    "encryptedFields": "has encrypted fields, which only clients with their keys can write",
}


class CannotTake(Refused):
    """The database holds something that migration would change or misread."""

    def __init__(self, obstacles: list[str]) -> None:
        self.obstacles = obstacles
        listed = "".join(f"\n- {each}" for each in obstacles)
        super().__init__(f"This database cannot be migrated. Nothing was changed.{listed}")


def obstacles(database: Mongo, *, is_first: bool, set_aside: Collection[str] = ()) -> list[str]:
    """Everything that is in the way. `is_first`: no migration has looked at the database before."""
    listed = {each["name"]: each for each in database.list_collections()}
    found = [f"{name} {why}" for name in OUR_COLLECTIONS for why in unusable(listed.get(name))]
    plain = {name: each for name, each in listed.items() if not any(unusable(each))}
    for spec in COLLECTIONS:
        if spec.name in plain and spec.name not in set_aside:
            if is_first and (other := another_meaning(database, spec)) is not None:
                found.append(other)
                continue
            found += [f"{spec.name} {why}" for why in _of_indexes(database, spec)]
            found += violations(database, spec, plain[spec.name].get("options", {}))
    if names.WEEKLY_DISTRIBUTIONS_CONFLICTS in plain:
        found += _of_conflicts(database, plain[names.WEEKLY_DISTRIBUTIONS_CONFLICTS])
    if names.USERS in plain:
        found += _of_wallets(database)
    if is_first and names.SYSTEM_CONFIG in plain:
        found += _foreign_settings(database)
    return found


def later_obstacles(database: Mongo) -> list[Finding]:
    """What stands in the way since the migration: somebody changed a collection or an index."""
    listed = {each["name"]: each for each in database.list_collections()}
    found = [(name, why) for name in OUR_COLLECTIONS for why in unusable(listed.get(name))]
    for spec in COLLECTIONS:
        if spec.name in listed and not any(unusable(listed[spec.name])):
            existing = index_documents(database, spec.name)
            found += [(spec.name, why) for why in index_obstacles(database, spec, existing)]
    return [Finding("obstacle", name, f"it {why}") for name, why in found]


def unusable(listed: Mapping[str, Any] | None) -> Iterator[str]:
    """Why a collection as a whole cannot be used."""
    if listed is None:
        return
    kind, options = listed.get("type", "collection"), listed.get("options", {})
    whys = [] if kind == "collection" else [_KINDS.get(kind, f"is a {kind}")]
    whys += [_REFUSED[name] for name in options if name in _REFUSED]
    if listed.get("info", {}).get("readOnly") and not whys:
        whys.append("can only be read")
    for why in dict.fromkeys(whys):
        yield f"{why}. Name a database where it is an ordinary collection, or copy it into one."
    yield from _of_options(options)


def _of_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Why an option would lose records. An option of a newer server is refused by its name."""
    if options.get("capped"):
        yield "is capped: it loses its oldest documents. Convert it to an ordinary collection."
    if options.get("temp"):
        yield "is temporary: the server drops it when it starts. Copy it into another collection."
    if options.get("autoIndexId") is False:
        yield "has no index on _id. Copy it into a collection that has one."
    for name in sorted(options.keys() - _HARMLESS - _REFUSED.keys() - {"collation"}):
        yield (
            f"has the option {name}, which this program does not know. Copy it into a collection "
            "without it."
        )
    if options.get("collation", {}).get("locale", "simple") != "simple":
        yield (
            "has a collation of its own: it takes different wallets and ids for equal. Copy it "
            "into a collection without one."
        )


# --- collections of another meaning --------------------------------------------------------------


def another_meaning(database: Mongo, spec: CollectionSpec) -> str | None:
    """Why a collection's documents are none of the schema's; None if they are, or there are none.

    Single odd documents are malformed records of the right kind, which planning lists. So more
    than half of the documents decide.
    """
    if not spec.essential:
        return None
    lacks = {"$or": [{name: {"$exists": False}} for name in spec.essential]}
    collection = database[spec.name]
    count, lacking = collection.count_documents({}), collection.count_documents(lacks)
    if lacking * 2 <= count:
        return None
    return (
        f"{spec.name} has another meaning: {lacking} of its {counted(count, 'document')} lack "
        f"{' or '.join(spec.essential)}. `kontrib migrate --set-aside {spec.name}` keeps it as "
        f"{spec.name}{SET_ASIDE_SUFFIX}; a rollback gives the name back. Or name another database."
    )


def _foreign_settings(database: Mongo) -> Iterator[str]:
    """Documents of `system_config` that would be taken for ours."""
    config = database[names.SYSTEM_CONFIG]
    for config_id, key in ((GENESIS_ID, "first_week"), (CONTROL_ID, "paused")):
        if config.find_one({"_id": config_id, key: {"$exists": False}}, {"_id": 1}):
            yield (
                f"{names.SYSTEM_CONFIG} has a document {config_id!r} without {key!r}, which has "
                "another meaning. Give it another _id."
            )


def _of_conflicts(database: Mongo, listed: Mapping[str, Any]) -> Iterator[str]:
    """The collection of second distributions takes documents of every shape."""
    spec = CollectionSpec(names.WEEKLY_DISTRIBUTIONS_CONFLICTS)
    existing = index_documents(database, spec.name)
    yield from (f"{spec.name} {why}" for why in index_obstacles(database, spec, existing))
    if blocks(validation_of(listed.get("options", {}))):
        yield f"{spec.name} has a validator. Set its validationAction to warn."


# --- indexes -------------------------------------------------------------------------------------


def _of_indexes(database: Mongo, spec: CollectionSpec) -> Iterator[str]:
    existing = index_documents(database, spec.name)
    missing = [i for i in spec.indexes if not any(serves(each, i) for each in existing)]
    if len(existing) + len(missing) > INDEXES_MAX:
        yield (
            f"has {len(existing)} indexes, and {len(missing)} are missing: the server allows "
            f"{INDEXES_MAX}. Drop some that no query uses."
        )
    yield from index_obstacles(database, spec, existing)
    for index in missing:
        if index.unique and spec.name not in _RESOLVED and _is_repeated(database, spec, index):
            yield (
                f"needs a unique index on {', '.join(k for k, _ in index.keys)}, and several "
                "documents have the same values. Correct the documents."
            )


def _is_repeated(database: Mongo, spec: CollectionSpec, index: IndexSpec) -> bool:
    """Whether documents that a unique index would hold have the same values."""
    fields = [field for field, _ in index.keys]
    selected: Document = dict(index.partial or {})
    if index.sparse:
        selected = {"$or": [{field: {"$exists": True}} for field in fields]}
    values = {f"k{i}": {"$ifNull": [f"${field}", None]} for i, field in enumerate(fields)}
    stages: list[Document] = [
        {"$match": selected},
        {"$group": {"_id": values, "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$limit": 1},
    ]
    return bool(list(database[spec.name].aggregate(stages, allowDiskUse=True)))


# --- wallets -------------------------------------------------------------------------------------


def _of_wallets(database: Mongo) -> Iterator[str]:
    """Arrays that share an element with another user's wallet: a unique index refuses both."""
    users = database[names.USERS]
    if users.find_one({names.WALLET: {"$type": "array"}}, {"_id": 1}) is None:
        return
    wallet = f"${names.WALLET}"
    each = {"$cond": [{"$isArray": wallet}, {"$setUnion": [wallet, []]}, [wallet]]}
    stages: list[Document] = [
        {"$match": {names.WALLET: {"$exists": True}}},
        {"$project": {"is_array": {"$isArray": wallet}, "wallet": each}},
        {"$match": {"$or": [{"is_array": True}, {"wallet": {"$nin": [None, ""]}}]}},
        {"$unwind": {"path": "$wallet", "preserveNullAndEmptyArrays": True}},
        {
            "$group": {
                "_id": {"$ifNull": ["$wallet", None]},
                "count": {"$sum": 1},
                "arrays": {"$max": "$is_array"},
                "first": {"$min": "$_id"},
                "last": {"$max": "$_id"},
            }
        },
        {"$match": {"count": {"$gt": 1}, "arrays": True}},
        {"$limit": LISTED_MAX},
    ]
    for shared in users.aggregate(stages, allowDiskUse=True, batchSize=STREAM_BATCH):
        yield (
            f"{names.USERS}: {shared['count']} users, among them {shared['first']} and "
            f"{shared['last']}, share the wallet {shared['_id']!r}, which stands in an array. Give "
            f"each user one {names.WALLET}, as text."
        )
