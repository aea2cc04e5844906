"""Restores a backup.

The whole backup is checked before the first write. Each collection is then filled, counted and
indexed under another name, so what the server refuses changes nothing either. At last the new
collections take the place of the old ones.

A separate collection records what is finished. After a crash, the restore can be run again. It
continues with the unfinished collection.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from worker.adapters.mongo.backup.content import read_metadata, verify_content
from worker.adapters.mongo.backup.format import (
    ENGINES_OWN,
    PROGRESS,
    STAGE_PREFIX,
    BackupManifest,
    SavedCollection,
    is_of_a_restore,
    read_manifest,
    verify_files,
)
from worker.adapters.mongo.base import STREAM_BATCH, MongoPart
from worker.adapters.mongo.connection import Document, Mongo, is_unanswered
from worker.adapters.mongo.names import Route
from worker.core.chunks import chunks
from worker.core.errors import KontribError, Refused
from worker.core.lifecycle import Status
from worker.core.payout.records import PayoutKind
from worker.core.wording import counted

INSERT_BATCH = 1000
_NOT_FOR_CREATION = {"v", "ns", ENGINES_OWN}

Notify = Callable[[str], None]
_RAW: Any = bson.CodecOptions(document_class=RawBSONDocument)


class DatabaseNotEmpty(Refused):
    """The restore would replace existing documents."""

    def __init__(self, database: str, collections: list[str]) -> None:
        listed = ", ".join(collections[:5]) + (", ..." if len(collections) > 5 else "")
        super().__init__(
            f"The database {database} is not empty ({listed}). Restore into an empty one, or "
            f"confirm with --confirm {database} that the backup may replace "
            "its collections. Nothing was written."
        )


class RestoreIncomplete(KontribError):
    """Another program writes into the database that is being restored, or has written."""

    def __init__(self, collection: str, expected: int, found: int) -> None:
        super().__init__(
            f"{collection} has {counted(found, 'document')} instead of {expected}. "
            "Stop the workers and the wiki, and run `kontrib restore` again, with --confirm and "
            "the database's name: then the backup replaces what they wrote."
        )


class RestoreRefused(Refused):
    """The server does not take a collection of the backup."""

    def __init__(self, collection: str, error: OperationFailure) -> None:
        why = (error.details or {}).get("errmsg", str(error))
        super().__init__(
            f"The server refuses {collection} ({str(why)[:200]}). The database was not changed. "
            "Restore into a server of the version that was backed up, or use another backup."
        )


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The restored collections and documents. `mended` rewards are read from the chain again."""

    manifest: BackupManifest
    collections: int
    documents: int
    mended: int


def restore(
    database: Mongo, folder: Path, notify: Notify, *, confirmed: bool = False
) -> RestoreReport:
    """Restore a backup. Collections outside the backup stay unchanged.

    Raises:
        NoBackup, BackupDamaged: there is nothing to put back; nothing was written.
        DatabaseNotEmpty: and not confirmed; nothing was written.
        RestoreRefused: the server does not take a collection; the database was not changed.
        RestoreIncomplete: somebody else writes; run it again.
    """
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    verify_content(folder, manifest)
    return _Restore(database, folder, manifest, notify).run(confirmed=confirmed)


class _Restore(MongoPart):
    def __init__(
        self, database: Mongo, folder: Path, manifest: BackupManifest, notify: Notify
    ) -> None:
        super().__init__(database)
        self._folder, self._manifest, self._notify = folder, manifest, notify
        self._progress = database[PROGRESS]

    def run(self, *, confirmed: bool) -> RestoreReport:
        begun = self._begin(confirmed=confirmed)
        # A backup by an earlier version may contain these collections.
        wanted = [each for each in self._manifest.collections if not is_of_a_restore(each.name)]
        for saved in wanted:
            if saved.name not in begun["staged"]:
                self._stage(saved)
                self._record("staged", saved)
                self._notify(f"{saved.name}: {counted(saved.documents, 'document')}")
        for saved in wanted:
            if saved.name not in begun["placed"]:
                self._place(saved, is_confirmed=confirmed)
                self._record("placed", saved)
        mended = self._mend_singles()
        self._progress.drop()
        manifest = self._manifest
        return RestoreReport(manifest, len(manifest.collections), manifest.documents, mended)

    def _begin(self, *, confirmed: bool) -> Document:
        """What an interrupted restore of the same backup has finished.

        It may be long ago. So it counts as confirmed only if this run is, or if the database holds
        a part of the backup.
        """
        begun = self._progress.find_one({"_id": self._manifest.id, "placed": {"$exists": True}})
        if not confirmed and not (begun and begun["placed"]):
            self._refuse_unless_empty()
        if begun is not None:
            return begun
        self._clear()
        begun = {"_id": self._manifest.id, "staged": [], "placed": []}
        self._progress.insert_one(begun)
        return begun

    def _record(self, step: str, saved: SavedCollection) -> None:
        self._progress.update_one({"_id": self._manifest.id}, {"$addToSet": {step: saved.name}})

    def _clear(self) -> None:
        """Remove what restores leave behind, this one or another."""
        for name in self.database.list_collection_names():
            if is_of_a_restore(name):
                self.database.drop_collection(name)

    def _refuse_unless_empty(self) -> None:
        existing = self.database.list_collection_names()
        wikis = [n for n in existing if not is_of_a_restore(n) and not n.startswith("system.")]
        filled = [name for name in wikis if self.database[name].find_one({}, {"_id": 1})]
        if filled:
            raise DatabaseNotEmpty(self.database.name, sorted(filled))

    def _stage(self, saved: SavedCollection) -> None:
        """
        Raises:
            RestoreRefused: the server does not take the collection.
        """
        try:
            self._fill(saved, STAGE_PREFIX + saved.name)
        except OperationFailure as error:
            if is_unanswered(error):
                raise
            self._clear()
            raise RestoreRefused(saved.name, error) from None

    def _fill(self, saved: SavedCollection, name: str) -> None:
        metadata = read_metadata(self._folder, saved)
        self.database.drop_collection(name)
        self.database.create_collection(name, **metadata["options"])
        if saved.data is None:
            return
        # Raw documents stay equal byte for byte. They are not validated again, since they may be
        # older than the validator.
        into = self.database[name].with_options(codec_options=_RAW)
        documents = self._documents(self._folder / saved.data.path)
        for chunk in chunks(documents, INSERT_BATCH):
            into.insert_many(chunk, bypass_document_validation=True)
        self._create_indexes(name, metadata["indexes"])

    def _place(self, saved: SavedCollection, *, is_confirmed: bool) -> None:
        """Put the new collection in the place of the old one.

        Raises:
            RestoreIncomplete: somebody else writes.
        """
        collection, staged = self.database[saved.name], STAGE_PREFIX + saved.name
        is_staged = staged in self.database.list_collection_names()
        if is_staged and not is_confirmed and (found := collection.count_documents({})):
            self._begin_anew()
            raise RestoreIncomplete(saved.name, 0, found)
        if _cannot_be_renamed(self._folder, saved):
            self._fill(saved, saved.name)
            self.database.drop_collection(staged)
        elif is_staged:
            collection.drop()
            self.database[staged].rename(saved.name, dropTarget=True)
        if saved.data is not None and (found := collection.count_documents({})) != saved.documents:
            self._begin_anew()
            raise RestoreIncomplete(saved.name, saved.documents, found)

    def _begin_anew(self) -> None:
        anew: Document = {"staged": [], "placed": []}
        self._progress.update_one({"_id": self._manifest.id}, {"$set": anew})

    def _documents(self, path: Path) -> Iterator[Any]:
        with gzip.open(path, "rb") as stream:
            yield from bson.decode_file_iter(cast(IO[bytes], stream), codec_options=_RAW)

    def _create_indexes(self, collection: str, indexes: list[Document]) -> None:
        wanted = [
            {key: value for key, value in index.items() if key not in _NOT_FOR_CREATION}
            for index in indexes
            if index["name"] != "_id_"
        ]
        if wanted:
            self.database.command("createIndexes", collection, indexes=wanted)

    def _mend_singles(self) -> int:
        """Make rewards wait again whose single is missing in the backup.

        A reward may get its single just after the backup has copied the payouts. Workers ask the
        chain whether the reward was paid before they sign anything.
        """
        mended = 0
        routed = {"route": Route.SINGLE.value}
        wanted = {"plan_id": 1, "position": 1}
        for reward in self.token_rewards.find(routed, wanted, batch_size=STREAM_BATCH):
            payout = {
                "plan_id": reward.get("plan_id"),
                "kind": PayoutKind.SINGLE.value,
                "index": reward.get("position"),
            }
            if self.payout_batches.find_one(payout, {"_id": 1}) is None:
                waiting = {"route": Route.WAITING.value, "status": Status.PENDING.value}
                self.token_rewards.update_one({"_id": reward["_id"]}, {"$set": waiting})
                mended += 1
        return mended


def _cannot_be_renamed(folder: Path, saved: SavedCollection) -> bool:
    """A server renames neither views nor collections of time series."""
    return saved.data is None or "timeseries" in read_metadata(folder, saved)["options"]
