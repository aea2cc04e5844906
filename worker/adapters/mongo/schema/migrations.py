"""Brings a database to the schema. A step can run again, since it looks first.

A look at the whole database comes before the first write. It refuses by name what migration cannot
take (see `obstacles`), and records what is there for a rollback (see `origin`). Data stays: missing
fields are added, and of two values that collide both are kept (see `duplicates`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, update_in_chunks
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.counting import openings
from worker.adapters.mongo.payout.same_users import describe_same_users
from worker.adapters.mongo.schema import duplicates
from worker.adapters.mongo.schema.differences import (
    SCHEMA_ID,
    Kind,
    differences,
    recorded_version,
)
from worker.adapters.mongo.schema.indexes import IndexRefused, build_index
from worker.adapters.mongo.schema.look import look_at, rename
from worker.adapters.mongo.schema.obstacles import SET_ASIDE_SUFFIX, later_obstacles
from worker.adapters.mongo.schema.origin import (
    Origin,
    defaults,
    has_own_reputation,
    look,
    record_origin,
    recorded_origin,
)
from worker.adapters.mongo.schema.seeds import OWN_REPUTATION, first_config
from worker.adapters.mongo.schema.spec import COLLECTIONS, SCHEMA_VERSION, CollectionSpec
from worker.core.errors import KontribError, NotReady
from worker.core.findings import Finding
from worker.core.plan.rules import CONFIG_ID
from worker.core.wording import counted

_UNIQUE_TRIES = 3
_RACE_TRIES = 5
_RACE_PAUSE_SECONDS = 0.5
_SPECS = {spec.name: spec for spec in COLLECTIONS}

Notify = Callable[[str], None]


class SchemaDiffers(NotReady):
    """The database differs from the schema that `kontrib migrate` leaves."""

    def __init__(self, differences: list[Finding]) -> None:
        listed = "; ".join(str(d) for d in differences[:3])
        super().__init__(f"{counted(len(differences), 'difference')} from the schema: {listed}.")


class StillDuplicates(KontribError):
    """New duplicates appear as fast as they are resolved, or only a person can resolve them."""

    def __init__(self, collection: str, index: str) -> None:
        super().__init__(
            f"{collection}.{index} cannot be made unique: equal values are written repeatedly, or "
            "only a person can decide. Stop the writer, and run `kontrib migrate` again."
        )


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One change that migration would make."""

    kind: Kind
    description: str


@dataclass(slots=True)
class MigrationReport:
    """The results. `conflicts` names every document that lost a value in a conflict."""

    version_before: int | None
    version: int = SCHEMA_VERSION
    steps: list[MigrationStep] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What only a person can correct."""
    choices: list[str] = field(default_factory=list)  # that follow from what the wiki holds
    documents_updated: int = 0
    remaining: list[Finding] = field(default_factory=list)


def verify(database: Mongo) -> list[Finding]:
    """The differences between database and schema."""
    return _Migration(database).differences()


def require_schema(database: Mongo) -> str:
    """The schema's version, as a sentence. Later documents of the wiki may lack added fields.

    Raises:
        SchemaDiffers: the database differs from it.
    """
    found = [*verify(database), *later_obstacles(database)]
    if wrong := [each for each in found if each.area != Kind.FIELD]:
        raise SchemaDiffers(wrong)
    return f"version {SCHEMA_VERSION}" + ("; newer documents lack added fields" if found else "")


def plan_migration(database: Mongo, set_aside: Collection[str] = ()) -> list[MigrationStep]:
    """What `migrate` would do now. Writes nothing.

    Raises:
        NewerSchema: the database is ahead of this program.
        VersionUnreadable: or it may be.
        CannotTake: the database holds something that migration cannot take.
        NothingToSetAside: a collection to set aside does not stand in the way.
    """
    return _Migration(database, set_aside).plan()


def migrate(
    database: Mongo, notify: Notify, now: datetime, set_aside: Collection[str] = ()
) -> MigrationReport:
    """Do it. `notify` gets a line for each step. Several at once end like one.

    `set_aside`: collections of another meaning, which are kept under another name.

    Raises:
        NewerSchema, VersionUnreadable, CannotTake, NothingToSetAside: nothing was changed.
        StillDuplicates: a unique index cannot be built.
        IndexRefused: the server does not build an index.
    """
    return _Migration(database, set_aside).run(notify, now)


class _Migration(MongoPart):
    def __init__(self, database: Mongo, set_aside: Collection[str] = ()) -> None:
        super().__init__(database)
        self._set_aside = set_aside
        self._origin = Origin()

    def differences(self) -> list[Finding]:
        return differences(self.database)

    def plan(self) -> list[MigrationStep]:
        renamed = look_at(self.database, self._set_aside)
        found = differences(self.database, set_aside=renamed)
        self._origin = recorded_origin(self.database) or look(self.database, renamed)
        chosen = [MigrationStep(Kind.CONFIG, each) for each in self._choices(found)]
        return [*map(_rename_step, renamed), *map(_step, found), *chosen]

    def run(self, notify: Notify, now: datetime) -> MigrationReport:
        renamed = look_at(self.database, self._set_aside)
        found = differences(self.database, set_aside=renamed)
        report = MigrationReport(version_before=recorded_version(self.database))
        if (origin := recorded_origin(self.database)) is None and report.version_before is None:
            origin = record_origin(self.database, now, renamed)
        self._origin = origin or Origin(is_known=False)
        for name in renamed:
            step = _rename_step(name)
            notify(step.description)
            rename(self.database, name, renamed[name])
            report.steps.append(step)
        report.choices = self._choices(found)
        for difference in found:
            step = _step(difference)
            notify(step.description)
            self._mend_or_find_mended(difference, report, notify, now)
            report.steps.append(step)
        report.warnings += describe_same_users(self.database)
        report.warnings += openings.describe_unreadable(self.database)
        for line in (*report.choices, *report.warnings):
            notify(line)
        report.remaining = differences(self.database)
        return report

    def _choices(self, found: list[Finding]) -> list[str]:
        """Settings that this migration writes, and that follow from what the wiki holds."""
        written = {each.subject.partition(".")[2] for each in found if each.area == Kind.CONFIG}
        if not written & {CONFIG_ID, "reputation_steps"}:
            return []
        return [OWN_REPUTATION] * has_own_reputation(self.database, self._origin)

    def _mend_or_find_mended(
        self, difference: Finding, report: MigrationReport, notify: Notify, now: datetime
    ) -> None:
        """Mend a difference, or see that another migration has mended it at the same time."""
        for tries_left in reversed(range(_RACE_TRIES)):
            try:
                self._mend(difference, report, notify, now)
                return
            except (OperationFailure, IndexRefused):
                left = {(each.area, each.subject) for each in differences(self.database)}
                if (difference.area, difference.subject) not in left:
                    return
                if not tries_left:
                    raise
                time.sleep(_RACE_PAUSE_SECONDS)

    def _mend(
        self, difference: Finding, report: MigrationReport, notify: Notify, now: datetime
    ) -> None:
        collection, _, name = difference.subject.partition(".")
        match Kind(difference.area):
            case Kind.COLLECTION:
                self._create_collection(_SPECS[collection])
            case Kind.VALIDATOR:
                self._replace_validator(_SPECS[collection], report, notify)
            case Kind.DUPLICATES:
                self._resolve(collection, report, notify)
            case Kind.INDEX:
                self._create_index(_SPECS[collection], name, report, notify)
            case Kind.FIELD:
                report.documents_updated += self._add_fields(_SPECS[collection])
            case Kind.OPENING:
                report.documents_updated += openings.open_collection(self.database, collection)
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

    def _replace_validator(
        self, spec: CollectionSpec, report: MigrationReport, notify: Notify
    ) -> None:
        """Set our validator. One of the wiki's is in the record, and named."""
        if spec.name in self._origin.validators:
            line = f"{spec.name}: its validator is recorded and replaced; a rollback restores it"
            notify(line)
            report.conflicts.append(line)
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
        for _ in range(_UNIQUE_TRIES):
            try:
                build_index(self.database, spec.name, index)
                return
            except DuplicateKeyError:
                # Written since they were resolved: the wiki goes on while this runs.
                self._resolve(spec.name, report, notify)
        raise StillDuplicates(spec.name, name)

    def _add_fields(self, spec: CollectionSpec) -> int:
        """Set every default that is missing, all fields in one pass over the documents."""
        missing = {"$or": [{name: {"$exists": False}} for name in spec.added_fields]}
        return update_in_chunks(self.database[spec.name], missing, [{"$set": defaults(spec)}])

    def _add_config(self, subject: str, now: datetime) -> None:
        """Add the whole document, or one missing key. Existing keys stay unchanged."""
        config = self.database[names.SYSTEM_CONFIG]
        values = first_config(has_own_reputation=has_own_reputation(self.database, self._origin))
        if subject == CONFIG_ID:
            whole = {"$setOnInsert": {**values, "updated_at": now}}
            config.update_one({"_id": CONFIG_ID}, whole, upsert=True)
        else:
            absent = {"_id": CONFIG_ID, subject: {"$exists": False}}
            config.update_one(absent, {"$set": {subject: values[subject]}})


def _rename_step(name: str) -> MigrationStep:
    return MigrationStep(Kind.COLLECTION, f"rename collection {name} to {name}{SET_ASIDE_SUFFIX}")


def _step(difference: Finding) -> MigrationStep:
    kind, where, found = Kind(difference.area), difference.subject, difference.found
    texts = {
        Kind.COLLECTION: f"create collection {where}",
        Kind.VALIDATOR: f"set the validator of {where.partition('.')[0]}",
        Kind.DUPLICATES: f"resolve {found} for the index {where}",
        Kind.INDEX: f"create index {where} ({difference.expected}; now {found})",
        Kind.FIELD: f"add field {where} where it is missing ({found})",
        Kind.OPENING: f"derive opening balances of {where.partition('.')[0]} ({found})",
        Kind.CONFIG: f"set {where} to its default",
        Kind.VERSION: f"record schema version {difference.expected}",
    }
    return MigrationStep(kind, texts[kind])
