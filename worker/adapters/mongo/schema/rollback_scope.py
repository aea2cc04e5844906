"""What a rollback takes away, by the record of what was there before the first migration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema.differences import index_documents, serves
from worker.adapters.mongo.schema.duplicates import NO_DISTRIBUTION
from worker.adapters.mongo.schema.origin import (
    OUR_COLLECTIONS,
    Origin,
    is_ours,
    look,
    our_fields,
    recorded_origin,
)
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec
from worker.core.wiki.stored_counters import REPUTATION, REPUTATION_WRITTEN

_MARKS: dict[str, Document] = {
    names.TOKEN_REWARDS: {"plan_id": {"$exists": True}},
    names.WEEKLY_DISTRIBUTIONS: {"stage": {"$exists": True}, names.ADOPTED: {"$exists": False}},
    names.WEEKLY_DISTRIBUTIONS_ARCHIVE: {"stage": {"$exists": True}},
    names.PAYOUT_BATCHES: {"plan_id": {"$exists": True}, "id": {"$exists": True}},
    names.OTHER_TRANSACTIONS: {"last_valid_block_height": {"$exists": True}},
    names.ARTICLE_REWARDS: {"amount_base_units": {"$exists": True}},
    names.GOVERNANCE_VOTES: {"weight_base_units": {"$exists": True}},
    names.GOVERNANCE_SNAPSHOTS: {"power_base_units": {"$exists": True}},
}
"""Which documents are ours. Contributions, stakes and proposals are the wiki's, also if they were
recorded by a command of ours: people made them."""
NEVER_COMPUTED = ("demand_score", "quality_score", "token_metadata")
"""Fields of the owner's that migration adds, and only the wiki changes."""
_NO_VALIDATION: Document = {
    "validator": {},
    "validationLevel": "strict",
    "validationAction": "error",
}


class RollbackScope:
    """Answers for each collection what was there before, from one look at the record."""

    def __init__(self, database: Mongo) -> None:
        self._database = database
        listed = database.list_collections(filter={"type": "collection"})
        self._existing = {each["name"] for each in listed}
        recorded = recorded_origin(database) or Origin(is_known=False)
        self.origin = recorded if recorded.is_known else _assumed(database, recorded)
        self._filled = {
            spec.name: count
            for spec in COLLECTIONS
            if spec.name in self._existing
            and not spec.wiki_owned
            and spec.name not in (names.SYSTEM_CONFIG, *self.origin.collections)
            and (count := self._others(spec.name))
        }

    def new_collections(self) -> list[str]:
        """The collections that were not there, and hold only documents of ours."""
        kept = {names.SYSTEM_CONFIG, *self.origin.collections, *(spec.name for spec in self.kept())}
        return [name for name in OUR_COLLECTIONS if name in self._existing and name not in kept]

    def kept(self) -> list[CollectionSpec]:
        """The collections that stay: users and articles, what was there before, and what holds a
        document of the wiki's."""
        return [
            spec
            for spec in COLLECTIONS
            if spec.name in self._existing
            and spec.name != names.SYSTEM_CONFIG
            and (
                spec.wiki_owned or spec.name in self.origin.collections or spec.name in self._filled
            )
        ]

    def _others(self, collection: str) -> int:
        """The number of documents that are not ours. Those that return count where they belong."""
        ours, moved = self.our_documents(collection), self.moved_distributions()
        left_out = [each for each in (ours, moved.get(collection)) if each is not None]
        selected: Document = {"$nor": left_out} if left_out else {}
        count = self._database[collection].count_documents(selected)
        if collection == names.WEEKLY_DISTRIBUTIONS:
            count += sum(self._database[name].count_documents(moved[name]) for name in moved)
        return count

    def filled(self) -> list[tuple[str, int]]:
        """Collections that migration created, and the number of the wiki's documents in them."""
        return list(self._filled.items())

    def empty(self) -> list[str]:
        """Collections of the wiki's that migration created, and the wiki has not filled."""
        return [
            spec.name
            for spec in self.kept()
            if spec.wiki_owned
            and spec.name not in self.origin.collections
            and self._database[spec.name].find_one({}, {"_id": 1}) is None
        ]

    def renamed(self) -> list[tuple[str, str]]:
        """Collections that migration renamed and that get their name back: it, and today's."""
        renamed = self.origin.renamed.items()
        return [(o, n) for o, n in renamed if n in self._existing and o not in self._filled]

    def our_indexes(self, spec: CollectionSpec) -> list[str]:
        before = self.origin.indexes.get(spec.name, ())
        return [
            existing["name"]
            for existing in index_documents(self._database, spec.name)
            if existing["name"] not in before
            and any(serves(existing, index) for index in spec.indexes)
        ]

    def dropped(self, collection: str) -> list[Document]:
        """The wiki's indexes that ours have replaced."""
        return [index for name, index in self.origin.dropped if name == collection]

    def validation(self, spec: CollectionSpec) -> Document:
        """The wiki's validator, or none."""
        return self.origin.validators.get(spec.name) or _NO_VALIDATION

    def our_documents(self, collection: str) -> Document | None:
        """Selects the documents that go; None where all stay."""
        if (mark := _MARKS.get(collection)) is None:
            return None
        if collection == names.WEEKLY_DISTRIBUTIONS:
            # A distribution of the wiki's that this system has paid stays, in the owner's shape.
            return mark | {"_id": {"$nin": list(self.origin.distributions)}}
        return mark

    def moved_distributions(self) -> dict[str, Document]:
        """Selects the wiki's distributions in the collections to which they were moved."""
        recorded = {"_id": {"$in": list(self.origin.distributions)}}
        wikis = [{"stage": None}, recorded, {names.ADOPTED: {"$exists": True}}]
        return {
            names.WEEKLY_DISTRIBUTIONS_CONFLICTS: {"$nor": [NO_DISTRIBUTION]},
            names.WEEKLY_DISTRIBUTIONS_ARCHIVE: {"$or": wikis},
        }

    def added_fields(self, spec: CollectionSpec) -> list[str]:
        """Additions to the owner's schema that no document had. All others are the owner's: they
        go only from documents to which migration added them."""
        before = self.origin.fields.get(spec.name, ())
        mine = [f for f in our_fields(spec) if not spec.wiki_owned or is_ours(f)]
        return [name for name in mine if name not in before]

    def written_by_us(self, spec: CollectionSpec) -> Document:
        """Selects the documents that have the added fields from us. Some of their names are common,
        such as `reason`, so the wiki may have them as well."""
        twins = [name for name in spec.service_fields if name.endswith("_base_units")]
        if spec.name == names.WEEKLY_DISTRIBUTIONS:
            return {"stage": {"$exists": True}}
        if spec.wiki_owned or not twins:
            return {}
        return {"$or": [{name: {"$exists": True}} for name in twins]}


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


def _assumed(database: Mongo, recorded: Origin) -> Origin:
    """What may have been there, where nothing is recorded: whatever could be the wiki's."""
    there = look(database)
    found = database[names.WEEKLY_DISTRIBUTIONS].find({"stage": None}, {"_id": 1})
    moved = database[names.WEEKLY_DISTRIBUTIONS_CONFLICTS].find({}, {"_id": 1})
    distributions = tuple(each["_id"] for each in (*found, *moved))
    specs = [spec for spec in COLLECTIONS if spec.name in there.collections]
    collections = {spec.name for spec in specs if _may_be_the_wikis(database, spec)}
    if distributions:
        collections.add(names.WEEKLY_DISTRIBUTIONS)
    return replace(
        there,
        collections=frozenset(collections),
        fields={spec.name: _may_be_the_wikis_fields(there, spec) for spec in specs},
        validators=recorded.validators,
        distributions=distributions,
        config_ids=(),
        dropped=recorded.dropped,
        is_known=False,
    )


def _may_be_the_wikis(database: Mongo, spec: CollectionSpec) -> bool:
    """Whether any document could be the wiki's."""
    mark = _MARKS.get(spec.name)
    others: Document = {} if mark is None else {"$nor": [mark]}
    return database[spec.name].find_one(others, {"_id": 1}) is not None


def _may_be_the_wikis_fields(there: Origin, spec: CollectionSpec) -> list[str]:
    fields = there.fields.get(spec.name, ())
    return [f for f in fields if not is_ours(f)]
