"""The layout of a backup on disk: `mongodump --gzip`'s layout, and a manifest of checksums.

DIR/manifest.json                              written last: without it there is no backup
DIR/<database>/<collection>.bson.gz            the documents, one after the other
DIR/<database>/<collection>.metadata.json.gz   options and indexes, as extended JSON
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from worker.adapters.mongo import names
from worker.core.errors import KontribError, UsageError

FORMAT = "kontrib-backup/1"
MANIFEST = "manifest.json"
READ_BYTES = 1 << 20
PROGRESS = "kontrib_restore"
"""The collection that holds the progress of a restore."""
STAGE_PREFIX = "kontrib_restore."
"""A restore fills collections under these names first."""
ENGINES_OWN = "storageEngine"
"""An index option of one kind of server. Every other kind refuses an index with this option."""

# The owner's priorities, extended by our own collections. Distributions count as critical, since
# they hold the plans' snapshots. The first group is copied in the reverse of the order in which a
# payment is written. So a backup of a working system never shows a resolved payout with an unpaid
# reward.
CRITICAL = (
    names.USERS,
    names.WEEKLY_DISTRIBUTIONS,
    names.WEEKLY_DISTRIBUTIONS_ARCHIVE,
    names.OTHER_TRANSACTIONS,
    names.PAYOUT_BATCHES,
    names.TOKEN_REWARDS,
    names.STAKING_RECORDS,
    names.CONTRIBUTIONS,
)
CONFIGURATION = (
    names.SYSTEM_CONFIG,
    names.GOVERNANCE_PROPOSALS,
    names.GOVERNANCE_VOTES,
    names.GOVERNANCE_SNAPSHOTS,
)
PRIORITIES: dict[str, tuple[str, ...]] = {"critical": CRITICAL, "configuration": CONFIGURATION}
OTHER = "other"
"""All other collections: articles, computed records, and the wiki's own."""


class BackupExists(UsageError):
    """The folder is not empty."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty. Name a new folder for each backup.")


class FolderUnusable(UsageError):
    """The backup cannot be written into its folder."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"No backup can be written into {folder} ({error.strerror or error}). Name a folder "
            "that can be made, on a disk with room for it. The database was not changed."
        )


class NotKept(KontribError):
    """A file read back differs from the bytes that were written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was not kept as it was written, so there is no backup. Name a folder on "
            "another disk. The database was not changed."
        )


class NoBackup(UsageError):
    """The folder holds no complete backup."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(
            f"{folder} holds no complete backup: {why}. Nothing was written. Name a folder that "
            "`kontrib backup` finished."
        )


class BackupDamaged(KontribError):
    """A file differs from the file that was backed up."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path} is damaged: {why}. Use another backup; nothing was written.")


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup, by its path below the folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SavedCollection:
    """One collection. A view has metadata only."""

    name: str
    priority: str
    documents: int
    data: File | None
    metadata: File


@dataclass(frozen=True, slots=True)
class BackupManifest:
    database: str
    made_at: str
    collections: tuple[SavedCollection, ...]

    @property
    def documents(self) -> int:
        return sum(each.documents for each in self.collections)

    def files(self) -> list[File]:
        return [f for c in self.collections for f in (c.metadata, c.data) if f is not None]

    @property
    def id(self) -> str:
        """The SHA-256 of the manifest, which no other backup has."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def priority_of(collection: str) -> str:
    return next((p for p, listed in PRIORITIES.items() if collection in listed), OTHER)


def in_order(collections: list[str]) -> list[str]:
    """Collections in order of importance; those outside every group come last, by name."""
    order = [name for listed in PRIORITIES.values() for name in listed]
    return sorted(collections, key=lambda n: (order.index(n) if n in order else len(order), n))


def is_of_a_restore(collection: str) -> bool:
    """No backup contains such a collection."""
    return collection == PROGRESS or collection.startswith(STAGE_PREFIX)


def file_name(collection: str) -> str:
    """A collection's file name, escaped like mongodump's: the name may hold a slash."""
    return quote(collection, safe=" ()+,;=@[]{}~!$'&")


def read_manifest(folder: Path) -> BackupManifest:
    """
    Raises:
        NoBackup: the manifest is missing, or cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise NoBackup(folder, f"there is no {MANIFEST}")
    try:
        return _manifest_from(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise NoBackup(folder, f"{MANIFEST} cannot be read ({error})") from None


def _manifest_from(document: dict[str, Any]) -> BackupManifest:
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {document['format']!r}, not {FORMAT!r}")
    collections = tuple(
        SavedCollection(
            name=_name_from(each["name"]),
            priority=str(each["priority"]),
            documents=_count_from(each["documents"]),
            data=None if each["data"] is None else _file_from(each["data"]),
            metadata=_file_from(each["metadata"]),
        )
        for each in document["collections"]
    )
    if len({each.name for each in collections}) < len(collections):
        raise ValueError("it has a collection twice")
    return BackupManifest(str(document["database"]), str(document["made_at"]), collections)


def _name_from(name: object) -> str:
    if (
        not isinstance(name, str)
        or not name
        or name.startswith("system.")
        or set("$\0") & set(name)
    ):
        raise ValueError(f"no collection of a backup has the name {name!r}")
    return name


def _count_from(count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(f"{count!r} is no number of documents or bytes")
    return count


def _file_from(document: dict[str, Any]) -> File:
    path = str(document["path"])
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"{path!r} lies outside of the backup")
    return File(path, _count_from(document["size"]), str(document["sha256"]))


def verify_files(folder: Path, manifest: BackupManifest) -> None:
    """
    Raises:
        BackupDamaged: a file is missing, or differs from the manifest.
    """
    for file in manifest.files():
        path = folder / file.path
        if not path.is_file():
            raise BackupDamaged(path, "it is missing")
        if path.stat().st_size != file.size:
            raise BackupDamaged(path, f"it has {path.stat().st_size} bytes instead of {file.size}")
        with path.open("rb") as stream:
            if digest(stream) != file.sha256:
                raise BackupDamaged(path, "its SHA-256 is not that of the manifest")


def digest(stream: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while block := stream.read(READ_BYTES):
        hashed.update(block)
    return hashed.hexdigest()
