"""Write the whole database into a folder that `kontrib restore` and `mongorestore` read.

Documents go from the server to the disk as bytes, in batches, so a large wiki needs no memory.
All files are flushed to the disk, and the manifest is written last. So an interrupted backup has no
manifest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from bson import json_util

from worker.adapters.durable import flush_file, flush_folder, make_folder, put_in_place
from worker.adapters.mongo.backup.format import (
    ENGINES_OWN,
    MANIFEST,
    BackupExists,
    BackupManifest,
    File,
    FolderUnusable,
    NotKept,
    SavedCollection,
    digest,
    file_name,
    in_order,
    is_of_a_restore,
    priority_of,
)
from worker.adapters.mongo.base import MongoPart
from worker.adapters.mongo.connection import Document, Mongo
from worker.core.wording import counted

BATCH_DOCUMENTS = 2000
GZIP_LEVEL = 6
PRIVATE = 0o600
VIEW = "view"

Notify = Callable[[str], None]


def back_up(database: Mongo, folder: Path, notify: Notify, now: datetime) -> BackupManifest:
    """Write it. Files are readable by their owner only: they hold people's data.

    Raises:
        BackupExists: the folder is not empty; nothing was written.
        FolderUnusable: the folder cannot be made or written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BackupExists(folder)
        return _Backup(database, folder, notify).run(now)
    except OSError as error:
        raise FolderUnusable(folder, error) from None


class _Backup(MongoPart):
    def __init__(self, database: Mongo, folder: Path, notify: Notify) -> None:
        super().__init__(database)
        self._folder, self._notify = folder, notify

    def run(self, now: datetime) -> BackupManifest:
        existing = {each["name"]: dict(each) for each in self.database.list_collections()}
        wanted = in_order([name for name in existing if _is_saved(name)])
        make_folder(self._folder / self.database.name, mode=0o700)
        saved = tuple(self._save(existing[name]) for name in wanted)
        manifest = BackupManifest(self.database.name, now.isoformat(), saved)
        flush_folder(self._folder / self.database.name)
        self._write_manifest(manifest)
        return manifest

    def _save(self, listed: Document) -> SavedCollection:
        name, is_view = listed["name"], listed.get("type") == VIEW
        base = f"{self.database.name}/{file_name(name)}"
        # Read the indexes first: an index that is made later belongs to a later state.
        metadata = self._write(f"{base}.metadata.json.gz", [self._metadata(listed)])
        documents, data = 0, None
        if not is_view:
            counter = _Counter()
            data = self._write(f"{base}.bson.gz", counter.counting(self._batches(name)))
            documents = counter.documents
        self._notify(f"{name}: {counted(documents, 'document')}")
        return SavedCollection(name, priority_of(name), documents, data, metadata)

    def _metadata(self, listed: Document) -> bytes:
        uuid = listed.get("info", {}).get("uuid")
        is_view = listed.get("type") == VIEW
        indexes = [] if is_view else list(self.database[listed["name"]].list_indexes())
        document: Document = {
            "options": dict(listed.get("options", {})),
            "indexes": [_portable(index) for index in indexes],
            **({"uuid": bytes(uuid).hex()} if uuid is not None else {}),
            "collectionName": listed["name"],
            "type": listed.get("type", "collection"),
        }
        text = json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS)
        return text.encode()

    def _batches(self, name: str) -> Iterator[bytes]:
        found: Any = self.database[name].find_raw_batches({}, batch_size=BATCH_DOCUMENTS)
        yield from found

    def _write(self, relative: str, parts: Any) -> File:
        path = self._folder / relative
        with _private(path) as stream:
            hashed = _Hashing(stream)
            with gzip.GzipFile("", "wb", GZIP_LEVEL, hashed, 0) as packed:
                for part in parts:
                    packed.write(part)
        with path.open("rb") as kept:
            if digest(kept) != hashed.sha256.hexdigest():
                raise NotKept(path)
        return File(relative, hashed.size, hashed.sha256.hexdigest())

    def _write_manifest(self, manifest: BackupManifest) -> None:
        draft = self._folder / f"{MANIFEST}.partial"
        with _private(draft) as stream:
            stream.write(manifest.to_json().encode())
        put_in_place(draft, self._folder / MANIFEST)


def _is_saved(collection: str) -> bool:
    return not is_of_a_restore(collection) and not collection.startswith("system.")


def _portable(index: Mapping[str, Any]) -> Document:
    return {key: value for key, value in index.items() if key != ENGINES_OWN}


class _Hashing(io.RawIOBase):
    """Passes bytes on to a file, and hashes them on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256, self.size = hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._stream.write(data)


class _Counter:
    """Counts the documents in a stream of bytes. Each document begins with its length."""

    def __init__(self) -> None:
        self.documents = 0

    def counting(self, batches: Iterator[bytes]) -> Iterator[bytes]:
        for batch in batches:
            position = 0
            while position < len(batch):
                position += int.from_bytes(batch[position : position + 4], "little")
                self.documents += 1
            yield batch


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner can read. It is flushed to the disk at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        flush_file(stream)
