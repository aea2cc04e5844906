"""What the files of a backup hold, looked at as a whole before a restore writes anything.

Checksums show that files are as they were written. Files that were written wrong have right ones.
Memory: some 60 MB for a million documents, for their ids.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from worker.adapters.mongo.backup.format import BackupDamaged, BackupManifest, SavedCollection
from worker.adapters.mongo.connection import Document

DOCUMENT_BYTES_MAX = (16 << 20) + (16 << 10)
"""What a server takes, and the room that it leaves to commands."""
METADATA_BYTES_MAX = DOCUMENT_BYTES_MAX
_DOCUMENT_BYTES_MIN = 5
_LENGTH_BYTES = 4
_UNREADABLE = (OSError, EOFError, zlib.error)
# Texts and dates of a wiki may be such as Python does not have.
_TOLERANT: CodecOptions[Document] = CodecOptions(
    unicode_decode_error_handler="replace",
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
_NOT_OPTIONS = {
    *("name", "codec_options", "read_preference", "write_concern", "read_concern", "session"),
    "check_exists",
}
"""What the driver would take for arguments of its own."""
_INDEX_KINDS = {"text", "2d", "2dsphere", "hashed", "wildcard"}


def verify_content(folder: Path, manifest: BackupManifest) -> None:
    """
    Raises:
        BackupDamaged: a file lies outside of the folder, or holds something else than a backup.
    """
    for file in manifest.files():
        if not (folder / file.path).resolve().is_relative_to(folder.resolve()):
            raise BackupDamaged(folder / file.path, "it lies outside of the backup")
    for saved in manifest.collections:
        metadata = read_metadata(folder, saved)
        path = folder / saved.metadata.path
        if (why := _problem_of(metadata, saved)) is not None:
            raise BackupDamaged(path, why)
        if saved.data is not None:
            _verify_documents(folder / saved.data.path, saved.documents)


def read_metadata(folder: Path, saved: SavedCollection) -> Document:
    """A collection's options and indexes.

    Raises:
        BackupDamaged: the file holds something else.
    """
    path = folder / saved.metadata.path
    try:
        with gzip.open(path, "rb") as stream:
            text = stream.read(METADATA_BYTES_MAX + 1)
        if len(text) > METADATA_BYTES_MAX:
            raise BackupDamaged(path, "it is too large for options and indexes")
        found = json_util.loads(text.decode())
    except (*_UNREADABLE, ValueError, TypeError, BSONError, RecursionError) as error:
        raise BackupDamaged(path, f"it is no extended JSON ({error})") from None
    if not isinstance(found, dict):
        raise BackupDamaged(path, "it is no JSON object")
    return found


def _problem_of(metadata: Mapping[str, Any], saved: SavedCollection) -> str | None:
    """Why a collection cannot be created as its metadata says, or None."""
    options, indexes = metadata.get("options"), metadata.get("indexes")
    is_view = metadata.get("type") == "view"
    if metadata.get("collectionName", saved.name) != saved.name:
        return f"it describes {metadata['collectionName']!r}, not {saved.name!r}"
    if not isinstance(options, dict):
        return "its options are no document"
    if wrong := sorted(key for key in options if key in _NOT_OPTIONS or key.startswith("$")):
        return f"it has an option {wrong[0]!r}, which no collection has"
    if is_view != (saved.data is None):
        return "it describes a view with documents, or a collection without"
    if is_view and not (
        isinstance(options.get("viewOn"), str) and isinstance(options.get("pipeline"), list)
    ):
        return "its view has no source or no pipeline"
    if not isinstance(indexes, list):
        return "its indexes are no list"
    return next((why for index in indexes if (why := _problem_of_index(index))), None)


def _problem_of_index(index: object) -> str | None:
    if not isinstance(index, dict):
        return f"an index is {index!r}, which is no document"
    name, key = index.get("name"), index.get("key")
    if not isinstance(name, str) or not name:
        return f"an index has the name {name!r}"
    if not isinstance(key, dict) or not key:
        return f"the index {name!r} has the key {key!r}, which is no document of fields"
    for field, direction in key.items():
        is_number = isinstance(direction, int | float) and not isinstance(direction, bool)
        if not field or not (direction if is_number else direction in _INDEX_KINDS):
            return f"the index {name!r} has {direction!r} for the field {field!r}"
    return None


def _verify_documents(path: Path, expected: int) -> None:
    count = 0
    ids: set[int] = set()
    try:
        with gzip.open(path, "rb") as stream:
            for count, each in enumerate(_ids(path, cast(IO[bytes], stream)), start=1):
                ids.add(hash((isinstance(each, bool), _hashable(each))))
                if len(ids) < count:
                    raise BackupDamaged(path, f"document {count} has the _id of another one")
                if count > expected:
                    break
    except _UNREADABLE as error:
        raise BackupDamaged(path, f"it cannot be unpacked ({error})") from None
    if count != expected:
        found = "more" if count > expected else str(count)
        raise BackupDamaged(path, f"it has {found} documents instead of {expected}")


def _ids(path: Path, stream: IO[bytes]) -> Iterator[object]:
    """The `_id` of every document, each of them read to its end."""
    number = 0
    while length := stream.read(_LENGTH_BYTES):
        number += 1
        size = int.from_bytes(length, "little", signed=True)
        if len(length) < _LENGTH_BYTES:
            raise BackupDamaged(path, f"it is cut off in document {number}")
        if not _DOCUMENT_BYTES_MIN <= size <= DOCUMENT_BYTES_MAX:
            raise BackupDamaged(path, f"document {number} says that it has {size} bytes")
        data = length + stream.read(size - _LENGTH_BYTES)
        if len(data) < size:
            raise BackupDamaged(path, f"it is cut off in document {number}")
        try:
            document = _decoded(data)
            yield document["_id"]
        except KeyError:
            raise BackupDamaged(path, f"document {number} has no _id") from None
        except (BSONError, RecursionError) as error:
            raise BackupDamaged(path, f"document {number} is no BSON ({error})") from None


def _decoded(data: bytes) -> Mapping[str, Any]:
    try:
        return bson.decode(data, _TOLERANT)
    except BSONError:
        # A document with `$ref` in it may be no reference, and right all the same.
        raw = RawBSONDocument(data)
        _read_through(raw)
        return raw


def _read_through(value: object) -> None:
    """Read what lies inside of a raw document, which is only read on demand."""
    if isinstance(value, RawBSONDocument):
        for each in value.values():
            _read_through(each)
    elif isinstance(value, list):
        for each in value:
            _read_through(each)


def _hashable(value: object) -> object:
    if isinstance(value, RawBSONDocument):
        return value.raw
    return repr(value) if isinstance(value, dict | list) else value
