"""Migrates a database to the schema.

Each step reads the database first, and can be run again. A killed migration continues where it
stopped: the database shows the remaining steps, without a list of finished ones. Existing data
stays unchanged. Missing fields are added. If two values collide, both are kept (see `duplicates`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pymongo.errors import CollectionInvalid, OperationFailure

from worker.adapters.mongo import names
from worker.adapters.mongo.base import DUPLICATE_KEY, MongoPart, update_in_chunks
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema import duplicates
from worker.adapters.mongo.schema.differences import (
    SCHEMA_ID,
    Kind,
    differences,
    index_documents,
    recorded_version,
    serves,
)
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.schema.spec import COLLECTIONS, SCHEMA_VERSION, CollectionSpec, IndexSpec
from worker.core.errors import KontribError, NotReady, Refused
from worker.core.findings import Finding
from worker.core.plan.rules import CONFIG_ID

_UNIQUE_TRIES = 3
_SPECS = {spec.name: spec for spec in COLLECTIONS}

Notify = Callable[[str], None]


class NewerSchema(Refused):
    """The database was migrated by a newer version of this system."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"The database has schema version {version}, and this program knows "
            f"{SCHEMA_VERSION}. Install the newer version; nothing was changed."
        )


class SchemaDiffers(NotReady):
    """The database differs from the schema that `kontrib migrate` leaves."""

    def __init__(self, differences: list[Finding]) -> None:
        listed = "; ".join(str(d) for d in differences[:3])
        super().__init__(f"{len(differences)} differences from the schema: {listed}.")


class StillDuplicates(KontribError):
    """New duplicates appear as fast as they are resolved, or only a person can resolve them."""

    def __init__(self, collection: str, index: str) -> None:
        super().__init__(
            f"{collection}.{index} cannot be made unique: the same values are written again and "
            "again, or only a person can decide between the documents. Stop the writer, and "
            "run `kontrib migrate` again."
        )


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One change that migration would make."""

    kind: Kind
    description: str


@dataclass(slots=True)
class MigrationReport:
    """The results of a migration.

    `conflicts` names every document that lost a value in a conflict.
    """

    version_before: int | None
    version: int = SCHEMA_VERSION
    steps: list[MigrationStep] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    documents_updated: int = 0
    remaining: list[Finding] = field(default_factory=list)


def verify(database: Mongo) -> list[Finding]:
    """The differences between database and schema."""
    return _Migration(database).differences()


def require_schema(database: Mongo) -> str:
    """The schema's version, as a sentence.

    Raises:
        SchemaDiffers: the database differs from it.
    """
    if found := verify(database):
        raise SchemaDiffers(found)
    return f"version {SCHEMA_VERSION}"


def plan_migration(database: Mongo) -> list[MigrationStep]:
    """The steps that `migrate` would take now. Writes nothing.

    Raises:
        NewerSchema: the database is ahead of this program.
        VersionUnreadable: the database may be ahead of this program.
    """
    return _Migration(database).plan()


def migrate(database: Mongo, notify: Notify, now: datetime) -> MigrationReport:
    """Do it. `notify` gets a line for each step.

    Raises:
        NewerSchema: the database is ahead of this program.
        VersionUnreadable: the database may be ahead of this program.
        StillDuplicates: a unique index cannot be built.
    """
    return _Migration(database).run(notify, now)


class _Migration(MongoPart):
    def differences(self) -> list[Finding]:
        return differences(self.database)

    def plan(self) -> list[MigrationStep]:
        self._refuse_newer()
        return [_step(difference) for difference in differences(self.database)]

    def run(self, notify: Notify, now: datetime) -> MigrationReport:
        self._refuse_newer()
        report = MigrationReport(version_before=recorded_version(self.database))
        for difference in differences(self.database):
            step = _step(difference)
            notify(step.description)
            self._mend(difference, report, notify, now)
            report.steps.append(step)
        report.remaining = differences(self.database)
        return report

    def _refuse_newer(self) -> None:
        version = recorded_version(self.database)
        if version is not None and version > SCHEMA_VERSION:
            raise NewerSchema(version)

    def _mend(
        self, difference: Finding, report: MigrationReport, notify: Notify, now: datetime
    ) -> None:
        collection, _, name = difference.subject.partition(".")
        match Kind(difference.area):
            case Kind.COLLECTION:
                self._create_collection(_SPECS[collection])
            case Kind.VALIDATOR:
                self._set_validator(_SPECS[collection])
            case Kind.DUPLICATES:
                self._resolve(collection, report, notify)
            case Kind.INDEX:
                self._create_index(_SPECS[collection], name, report, notify)
            case Kind.FIELD:
                report.documents_updated += self._add_fields(_SPECS[collection])
            case Kind.CONFIG:
                self._add_config(name, now)
            case Kind.VERSION:
                facts = {"version": SCHEMA_VERSION, "migrated_at": now}
                config = self.database[names.SYSTEM_CONFIG]
                config.update_one({"_id": SCHEMA_ID}, {"$set": facts}, upsert=True)

    def _create_collection(self, spec: CollectionSpec) -> None:
        options = spec.validator.options if spec.validator else {}
        try:
            self.database.create_collection(spec.name, **options)
        except CollectionInvalid:  # another migration made the collection in the meantime
            self._set_validator(spec)

    def _set_validator(self, spec: CollectionSpec) -> None:
        if spec.validator is not None:
            self.database.command("collMod", spec.name, **spec.validator.options)

    def _resolve(self, collection: str, report: MigrationReport, notify: Notify) -> None:
        for line in duplicates.resolve(self.database, collection):
            notify(line)
            report.conflicts.append(line)

    def _create_index(
        self, spec: CollectionSpec, name: str, report: MigrationReport, notify: Notify
    ) -> None:
        index = next(each for each in spec.indexes if each.name == name)
        self._drop_what_is_in_the_way(spec.name, index)
        for _ in range(_UNIQUE_TRIES):
            try:
                self.database[spec.name].create_index(list(index.keys), **index.options)
                return
            except OperationFailure as error:
                if not _is_duplicate(error):
                    raise
            # The wiki keeps writing, so new duplicates may have appeared.
            self._resolve(spec.name, report, notify)
        raise StillDuplicates(spec.name, name)

    def _drop_what_is_in_the_way(self, collection: str, index: IndexSpec) -> None:
        """Drop an index with the same keys but other options, or with the same name."""
        for existing in index_documents(self.database, collection):
            keys = tuple((key, direction) for key, direction in existing["key"].items())
            if (keys == index.keys or existing["name"] == index.name) and not serves(
                existing, index
            ):
                self.database[collection].drop_index(existing["name"])

    def _add_fields(self, spec: CollectionSpec) -> int:
        """Set every default that is missing, all fields in one pass over the documents."""
        missing = {"$or": [{name: {"$exists": False}} for name in spec.added_fields]}
        defaults = {name: _if_missing(name, value) for name, value in spec.added_fields.items()}
        return update_in_chunks(self.database[spec.name], missing, [{"$set": defaults}])

    def _add_config(self, subject: str, now: datetime) -> None:
        """Add the whole document, or one missing key. Existing keys stay unchanged."""
        config = self.database[names.SYSTEM_CONFIG]
        if subject == CONFIG_ID:
            whole = {"$setOnInsert": {**CONFIG, "updated_at": now}}
            config.update_one({"_id": CONFIG_ID}, whole, upsert=True)
        else:
            absent = {"_id": CONFIG_ID, subject: {"$exists": False}}
            config.update_one(absent, {"$set": {subject: CONFIG[subject]}})


def _if_missing(name: str, value: object) -> Document:
    is_missing = {"$eq": [{"$type": f"${name}"}, "missing"]}
    return {"$cond": [is_missing, {"$literal": value}, f"${name}"]}


def _step(difference: Finding) -> MigrationStep:
    kind, where, found = Kind(difference.area), difference.subject, difference.found
    texts = {
        Kind.COLLECTION: f"create collection {where}",
        Kind.VALIDATOR: f"set the validator of {where.partition('.')[0]}",
        Kind.DUPLICATES: f"resolve {found} for the index {where}",
        Kind.INDEX: f"create index {where} ({difference.expected}; now {found})",
        Kind.FIELD: f"add field {where} where it is missing ({found})",
        Kind.CONFIG: f"set {where} to its default",
        Kind.VERSION: f"record schema version {difference.expected}",
    }
    return MigrationStep(kind, texts[kind])


def _is_duplicate(error: OperationFailure) -> bool:
    return error.code == DUPLICATE_KEY
