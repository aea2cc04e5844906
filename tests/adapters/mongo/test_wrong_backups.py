"""Backups with right checksums and wrong content: refused before anything is written."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import DBRef, Int64, json_util

from worker.adapters.mongo.backup.content import DOCUMENT_BYTES_MAX, verify_content
from worker.adapters.mongo.backup.format import BackupDamaged, NoBackup, digest, read_manifest
from worker.adapters.mongo.backup.restore import RestoreRefused, restore
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.connection import Mongo, connect

pytestmark = pytest.mark.real

NOW = datetime(2024, 12, 16, 9, 30, tzinfo=UTC)
DOCUMENTS = [{"_id": i, "text": f"comment {i}"} for i in range(3)]
ENCODED = [bson.encode(each) for each in DOCUMENTS]


@pytest.fixture
def target(mongo_uri: str) -> Iterator[Mongo]:
    """A database with something precious in it."""
    database = connect(mongo_uri, f"kontrib_wrong_backup_{os.getpid()}")
    database.client.drop_database(database.name)
    database.comments.insert_one({"_id": "precious"})
    yield database
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def backup(mongo_uri: str, tmp_path: Path) -> Path:
    """A right backup of three comments and a view of them."""
    database = connect(mongo_uri, f"kontrib_backed_up_{os.getpid()}")
    database.comments.insert_many([{**each} for each in DOCUMENTS])
    database.comments.create_index("text", name="by_text")
    database.create_collection("short", viewOn="comments", pipeline=[])
    back_up(database, tmp_path / "b", quiet, NOW)
    database.client.drop_database(database.name)
    database.client.close()
    return tmp_path / "b"


def quiet(line: str) -> None:
    del line


def change_manifest(backup: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = backup / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def entry(document: dict[str, Any], collection: str = "comments") -> Any:
    return next(each for each in document["collections"] if each["name"] == collection)


def replace_file(backup: Path, content: bytes, part: str = "data", name: str = "comments") -> Path:
    """Write a file of the backup anew, with the checksum that it then has."""
    manifest = json.loads((backup / "manifest.json").read_text())
    path = backup / str(entry(manifest, name)[part]["path"])
    path.write_bytes(content)

    def sums(document: dict[str, Any]) -> None:
        with path.open("rb") as stream:
            file = {"size": path.stat().st_size, "sha256": digest(stream)}
        entry(document, name)[part] |= file

    change_manifest(backup, sums)
    return path


def metadata(backup: Path, collection: str = "comments") -> dict[str, Any]:
    manifest = json.loads((backup / "manifest.json").read_text())
    path = backup / entry(manifest, collection)["metadata"]["path"]
    return dict(json_util.loads(gzip.decompress(path.read_bytes())))


def assert_refused(target: Mongo, backup: Path, match: str) -> None:
    with pytest.raises((BackupDamaged, NoBackup), match=match) as refused:
        restore(target, backup, quiet, confirmed=True)
    assert refused.value.exit_code in (1, 2)
    assert "othing was written" in str(refused.value)
    assert target.list_collection_names() == ["comments"]
    assert list(target.comments.find()) == [{"_id": "precious"}]


def test_the_right_backup_is_restored(target: Mongo, backup: Path) -> None:
    restore(target, backup, quiet, confirmed=True)

    assert list(target.comments.find().sort("_id", 1)) == DOCUMENTS
    assert set(target.list_collection_names()) == {"comments", "short"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"these are no documents at all", "document 1 says that it has"),
        (b"".join(ENCODED)[:-1], "cut off in document 3"),
        (b"".join(ENCODED) + b"\x01", "cut off in document 4"),
        (b"".join(ENCODED[:2]), "has 2 documents instead of 3"),
        (b"".join([*ENCODED, bson.encode({"_id": 9})]), "has more documents instead of 3"),
        (b"".join([ENCODED[0], ENCODED[1], ENCODED[0]]), "document 3 has the _id of another"),
        (b"", "has 0 documents instead of 3"),
        ((2**31 - 1).to_bytes(4, "little") + b"x" * 50, "document 1 says that it has 2147483647"),
        ((DOCUMENT_BYTES_MAX + 1).to_bytes(4, "little"), "document 1 says that it has"),
        (b"\xff\xff\xff\xff" + b"x" * 50, "document 1 says that it has -1 bytes"),
        (b"\x00\x00\x00\x00" * 9, "document 1 says that it has 0 bytes"),
        (ENCODED[0] + b"\x0b\x00\x00\x00garbage", "document 2 is no BSON"),
        (ENCODED[0][:-1] + b"\x01" + ENCODED[1] + ENCODED[2], "document 1 is no BSON"),
        (b"".join([*ENCODED[:2], bson.encode({"text": "x"})]), "document 3 has no _id"),
    ],
)
def test_documents_that_are_wrong(target: Mongo, backup: Path, content: bytes, match: str) -> None:
    replace_file(backup, gzip.compress(content))

    assert_refused(target, backup, match)


@pytest.mark.parametrize("part", ["data", "metadata"])
@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"".join(ENCODED), mtime=0)[:-4],
        gzip.compress(b"x" * 500, mtime=0)[:-20] + b"y" * 20,
    ],
)
def test_files_that_cannot_be_unpacked(
    target: Mongo, backup: Path, part: str, content: bytes
) -> None:
    replace_file(backup, content, part)

    assert_refused(target, backup, "cannot be unpacked|no extended JSON|is damaged")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"indexes": "none"}, "indexes are no list"),
        ({"indexes": [5]}, "an index is 5, which is no document"),
        ({"indexes": [["name", "x"]]}, "which is no document"),
        ({"indexes": [{"key": {"a": 1}}]}, "an index has the name None"),
        ({"indexes": [{"name": "x"}]}, "has the key None"),
        ({"indexes": [{"name": "x", "key": {}}]}, "has the key"),
        ({"indexes": [{"name": "x", "key": "a"}]}, "has the key 'a'"),
        ({"indexes": [{"name": "x", "key": {"a": "up"}}]}, "has 'up' for the field 'a'"),
        ({"indexes": [{"name": "x", "key": {"a": True}}]}, "has True for the field 'a'"),
        ({"indexes": None}, "indexes are no list"),
        ({"options": []}, "options are no document"),
        ({"options": {"session": 1}}, "has an option 'session'"),
        ({"options": {"$db": "admin"}}, "has an option"),
        ({"collectionName": "users"}, "describes 'users', not 'comments'"),
        ({"type": "view"}, "a view with documents"),
    ],
)
def test_metadata_that_is_wrong(
    target: Mongo, backup: Path, change: dict[str, Any], match: str
) -> None:
    text = json_util.dumps(metadata(backup) | change)
    replace_file(backup, gzip.compress(text.encode()), "metadata")

    assert_refused(target, backup, match)


def test_a_view_without_a_source(target: Mongo, backup: Path) -> None:
    text = json_util.dumps(metadata(backup, "short") | {"options": {}})
    replace_file(backup, gzip.compress(text.encode()), "metadata", "short")

    assert_refused(target, backup, "no source")


@pytest.mark.parametrize(
    "text", ["[1]", "", "{", "[" * 100_000, '{"$date": {"$date": 5}}', "\ud800"]
)
def test_metadata_that_is_no_object(target: Mongo, backup: Path, text: str) -> None:
    packed = gzip.compress(text.encode(errors="surrogatepass"))
    replace_file(backup, packed, "metadata")

    assert_refused(target, backup, "no JSON object|no extended JSON|no document")


def test_a_file_that_unpacks_without_end(target: Mongo, backup: Path) -> None:
    packed = gzip.compress(b" " * (DOCUMENT_BYTES_MAX + 1))
    replace_file(backup, packed, "metadata")

    assert_refused(target, backup, "too large")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: entry(m)["data"].update(path="/etc/hostname"),
        lambda m: entry(m)["metadata"].update(path="a/../../b"),
        lambda m: entry(m)["data"].update(path="\0"),
        lambda m: entry(m)["data"].update(path=""),
        lambda m: entry(m).update(documents=-1),
        lambda m: entry(m).update(documents=1e999),
        lambda m: entry(m).update(documents="three"),
        lambda m: entry(m).update(documents=True),
        lambda m: entry(m).update(name="system.users"),
        lambda m: entry(m).update(name=""),
        lambda m: entry(m).update(name="a$b"),
        lambda m: entry(m).update(data=None),
        lambda m: m["collections"].append(entry(m)),
        lambda m: m.update(collections=5),
        lambda m: m.update(collections={"a": 1}),
        lambda m: m.update(collections=[None]),
        lambda m: m.update(format="mongodump"),
    ],
)
def test_a_manifest_that_is_wrong(
    target: Mongo, backup: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    change_manifest(backup, change)

    assert_refused(target, backup, "complete backup|damaged")


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "[" * 100_000, '"\ud800"'])
def test_a_manifest_that_is_no_object(target: Mongo, backup: Path, text: str) -> None:
    (backup / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))

    assert_refused(target, backup, "cannot be read")


def test_a_link_to_a_file_outside(target: Mongo, backup: Path, tmp_path: Path) -> None:
    path = replace_file(backup, gzip.compress(b"".join(ENCODED)))
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)

    assert_refused(target, backup, "lies outside of the backup")


def test_odd_documents_of_a_wiki_are_no_damage(backup: Path) -> None:
    odd = [
        {"_id": {"a": [1]}, "ref": DBRef("c", 1), "big": Int64(2**62)},
        {"_id": b"bytes", "ref": {"$ref": 5, "$id": 1}},
        {"_id": True},
        {"_id": 1},
    ]
    far = bson.encode({"_id": "far", "at": Int64(2**53)}).replace(b"\x12at\x00", b"\x09at\x00")
    text = bson.encode({"_id": "text", "t": "xyz"}).replace(b"xyz", b"x\xffz")
    encoded = [*map(bson.encode, odd), far, text]
    replace_file(backup, gzip.compress(b"".join(encoded)))
    change_manifest(backup, lambda m: entry(m).update(documents=len(encoded)))

    verify_content(backup, read_manifest(backup))


def test_what_only_the_server_refuses_changes_nothing(target: Mongo, backup: Path) -> None:
    wrong = metadata(backup)
    wrong["indexes"].append({"v": 2, "name": "x", "key": {"a": 1}, "noSuchOption": True})
    replace_file(backup, gzip.compress(json_util.dumps(wrong).encode()), "metadata")

    assert_refused_by_the_server(target, backup)


def test_documents_that_break_an_index_change_nothing(target: Mongo, backup: Path) -> None:
    wrong = metadata(backup)
    wrong["indexes"].append({"v": 2, "name": "x", "key": {"same": 1}, "unique": True})
    replace_file(backup, gzip.compress(json_util.dumps(wrong).encode()), "metadata")

    assert_refused_by_the_server(target, backup)


def test_a_view_that_no_server_makes_changes_nothing(target: Mongo, backup: Path) -> None:
    wrong = metadata(backup, "short")
    wrong["options"]["pipeline"] = [{"$noSuchStage": 1}]
    replace_file(backup, gzip.compress(json_util.dumps(wrong).encode()), "metadata", "short")

    assert_refused_by_the_server(target, backup)


def assert_refused_by_the_server(target: Mongo, backup: Path) -> None:
    with pytest.raises(RestoreRefused, match=r"The server refuses .* The database was not changed"):
        restore(target, backup, quiet, confirmed=True)
    assert target.list_collection_names() == ["comments"]
    assert list(target.comments.find()) == [{"_id": "precious"}]
