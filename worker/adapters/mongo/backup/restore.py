"""Restores a backup.

The whole backup is checked before the first write. After a crash, the restore can be run again.

Each collection is dropped, filled, counted and indexed. Then a separate collection records that it
is finished. A killed restore continues with its unfinished collection.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import CollectionInvalid, OperationFailure

from worker.adapters.mongo.backup.content import read_metadata, verify_content
from worker.adapters.mongo.backup.format import (
    ENGINES_OWN,
    PROGRESS,
    BackupManifest,
    SavedCollection,
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
    """Another program writes into the database that is being restored."""

    def __init__(self, collection: str, expected: int, found: int) -> None:
        super().__init__(
            f"{collection} has {counted(found, 'document')} instead of {expected}. "
            "Stop the workers and the "
            "wiki, and run `kontrib restore` again."
        )


class RestoreRefused(KontribError):
    """The server does not take a collection of the backup."""

    def __init__(self, collection: str, error: OperationFailure) -> None:
        why = (error.details or {}).get("errmsg", str(error))
        super().__init__(
            f"The server refuses {collection} ({str(why)[:200]}), so the database is restored in "
            "part. Restore into a server of the version that was backed up, or use another backup."
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
        RestoreRefused: the server does not take a collection.
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
        # A backup by an earlier version may contain this collection.
        done = {PROGRESS, *self._begin(confirmed=confirmed)}
        for saved in self._manifest.collections:
            if saved.name in done:
                continue
            try:
                self._put_back(saved)
            except OperationFailure as error:
                if is_unanswered(error):
                    raise
                raise RestoreRefused(saved.name, error) from None
            self._progress.update_one(
                {"_id": self._manifest.id}, {"$addToSet": {"done": saved.name}}
            )
            self._notify(f"{saved.name}: {counted(saved.documents, 'document')}")
        mended = self._mend_singles()
        self._progress.drop()
        manifest = self._manifest
        return RestoreReport(manifest, len(manifest.collections), manifest.documents, mended)

    def _begin(self, *, confirmed: bool) -> set[str]:
        """The collections that an interrupted restore of the same backup has finished."""
        if (begun := self._progress.find_one({"_id": self._manifest.id})) is not None:
            return set(begun.get("done", []))
        if not confirmed:
            self._refuse_unless_empty()
        self._progress.drop()
        self._progress.insert_one({"_id": self._manifest.id, "done": []})
        return set()

    def _refuse_unless_empty(self) -> None:
        existing = self.database.list_collection_names()
        filled = [name for name in existing if self.database[name].find_one({}, {"_id": 1})]
        if filled:
            raise DatabaseNotEmpty(self.database.name, sorted(filled))

    def _put_back(self, saved: SavedCollection) -> None:
        metadata = read_metadata(self._folder, saved)
        collection = self.database[saved.name]
        collection.drop()
        try:
            self.database.create_collection(saved.name, **metadata["options"])
        except CollectionInvalid:  # somebody wrote to it since it was dropped
            raise RestoreIncomplete(saved.name, 0, collection.count_documents({})) from None
        if saved.data is None:
            return
        # Raw documents stay equal byte for byte. They are not validated again, since they may be
        # older than the validator.
        into = collection.with_options(codec_options=_RAW)
        documents = self._documents(self._folder / saved.data.path)
        for chunk in chunks(documents, INSERT_BATCH):
            into.insert_many(chunk, bypass_document_validation=True)
        found = collection.count_documents({})
        if found != saved.documents:
            raise RestoreIncomplete(saved.name, saved.documents, found)
        self._create_indexes(saved.name, metadata["indexes"])

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
