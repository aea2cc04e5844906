"""The look at the whole database before the first write, and the names that have to give way."""

from __future__ import annotations

from collections.abc import Collection

from pymongo.errors import OperationFailure

from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.schema.differences import recorded_version
from worker.adapters.mongo.schema.obstacles import (
    SET_ASIDE_SUFFIX,
    CannotTake,
    another_meaning,
    obstacles,
)
from worker.adapters.mongo.schema.origin import Origin, recorded_origin
from worker.adapters.mongo.schema.spec import COLLECTIONS, SCHEMA_VERSION
from worker.core.errors import Refused, UsageError

_SPECS = {spec.name: spec for spec in COLLECTIONS}


class NewerSchema(Refused):
    """The database was migrated by a newer version of this system."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"The database has schema version {version}, and this program knows "
            f"{SCHEMA_VERSION}. Install the newer version; nothing was changed."
        )


class NothingToSetAside(UsageError):
    """A collection that is to be set aside does not stand in the way."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"{collection} is no collection of another meaning that stands in the way, so it is "
            "not set aside. Run `kontrib migrate --dry-run` to see what is. Nothing was changed."
        )


def look_at(database: Mongo, set_aside: Collection[str]) -> dict[str, str]:
    """Look at everything. Returns the collections to rename, and their new names.

    Raises:
        NewerSchema: the database is ahead of this program.
        VersionUnreadable: or it may be.
        CannotTake: the database holds something that migration cannot take.
        NothingToSetAside: a collection to set aside does not stand in the way.
    """
    version = recorded_version(database)
    if version is not None and version > SCHEMA_VERSION:
        raise NewerSchema(version)
    origin = recorded_origin(database)
    is_first = origin is None and version is None
    try:
        return _names_to_give(database, set_aside, None if is_first else origin or Origin())
    except (NothingToSetAside, CannotTake):
        if is_first and recorded_origin(database) is not None:
            return look_at(database, set_aside)  # another migration began during this look
        raise


def _names_to_give(
    database: Mongo, set_aside: Collection[str], origin: Origin | None
) -> dict[str, str]:
    """`origin`: None before the first migration."""
    if origin is None:
        renamed = {name: _new_name(database, name) for name in set_aside}
    else:
        renamed = dict(origin.renamed)
        for name in set_aside:
            if name not in renamed:
                raise NothingToSetAside(name)
    # A migration that was killed may have recorded a name, and not have given it yet.
    renamed = {old: new for old, new in renamed.items() if _is_to_rename(database, old, new)}
    if found := obstacles(database, is_first=origin is None, set_aside=renamed):
        raise CannotTake(found)
    return renamed


def rename(database: Mongo, old: str, new: str) -> None:
    """Rename a collection, unless another migration was faster."""
    try:
        database[old].rename(new)
    except OperationFailure:
        if _is_to_rename(database, old, new):
            raise


def _new_name(database: Mongo, name: str) -> str:
    spec, new = _SPECS.get(name), f"{name}{SET_ASIDE_SUFFIX}"
    if spec is None or another_meaning(database, spec) is None:
        raise NothingToSetAside(name)
    if new in database.list_collection_names():
        raise CannotTake([f"{new} exists, so {name} cannot be kept under this name. Rename it."])
    return new


def _is_to_rename(database: Mongo, old: str, new: str) -> bool:
    existing = database.list_collection_names()
    return old in existing and new not in existing
