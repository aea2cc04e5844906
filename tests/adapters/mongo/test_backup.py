"""Backups are complete, checked and readable by mongorestore. A restore survives any crash."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, json_util
from pymongo.collection import Collection

from worker.adapters.mongo.backup.format import (
    ENGINES_OWN,
    PROGRESS,
    BackupDamaged,
    BackupExists,
    BackupManifest,
    FolderUnusable,
    NoBackup,
    NotKept,
    digest,
    in_order,
    read_manifest,
)
from worker.adapters.mongo.backup.restore import DatabaseNotEmpty, RestoreIncomplete, restore
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.schema.migrations import migrate, verify

NOW = datetime(2024, 12, 16, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.real


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    """A migrated wiki with some of everything."""
    database = connect(mongo_uri, f"kontrib_backup_{os.getpid()}")
    database.client.drop_database(database.name)
    users = [{"_id": ObjectId(), "name": f"user {i}", "joined": NOW} for i in range(2500)]
    database.users.insert_many(users)
    database.comments.insert_one({"_id": 1, "text": "the wiki's own", "odd": Decimal128("0.1")})
    database.comments.create_index("text", unique=True, name="by_text")
    migrate(database, lambda line: None, NOW)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def target(mongo_uri: str) -> Iterator[Mongo]:
    """An empty database under another name."""
    database = connect(mongo_uri, f"kontrib_restored_{os.getpid()}")
    database.client.drop_database(database.name)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def quiet(line: str) -> None:
    del line


def everything(database: Mongo) -> dict[str, list[Any]]:
    options = {each["name"]: each["options"] for each in database.list_collections()}
    return {
        name: [
            list(database[name].find().sort("_id", 1)),
            sorted(map(str, database[name].list_indexes())),
            options[name],
        ]
        for name in sorted(options)
    }


def test_a_backup_that_the_disk_does_not_keep_is_refused(
    database: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync

    def lose_the_end(descriptor: int) -> None:
        real_fsync(descriptor)
        if (size := os.fstat(descriptor).st_size) and os.readlink(
            f"/proc/self/fd/{descriptor}"
        ).endswith(".bson.gz"):
            os.ftruncate(descriptor, size - 1)

    monkeypatch.setattr(os, "fsync", lose_the_end)
    with pytest.raises(NotKept, match=r"bson\.gz was not kept as it was written"):
        back_up(database, tmp_path / "backup", lambda line: None, NOW)
    with pytest.raises(NoBackup):
        read_manifest(tmp_path / "backup")


def test_every_file_and_folder_of_a_backup_is_flushed(
    database: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync, flushed = os.fsync, list[str]()

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        flushed.append(str(path.relative_to(tmp_path)))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    manifest = back_up(database, tmp_path / "backup", lambda line: None, NOW)

    inner = f"backup/{database.name}"
    assert flushed[:2] == [".", "backup"]
    assert flushed[-3:] == [inner, "backup/manifest.json.partial", "backup"]
    assert flushed[2:-3] == [
        f"backup/{file.path}"
        for saved in manifest.collections
        for file in (saved.metadata, saved.data)
        if file is not None
    ]


def test_everything_comes_back_as_it_was(database: Mongo, target: Mongo, tmp_path: Path) -> None:
    manifest = back_up(database, tmp_path / "b", quiet, NOW)
    report = restore(target, tmp_path / "b", quiet)

    assert everything(target) == everything(database)
    assert verify(target) == []
    assert report.documents == manifest.documents > 2500
    assert PROGRESS not in target.list_collection_names()


def test_the_layout_is_that_of_mongodump(database: Mongo, tmp_path: Path) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)

    folder = tmp_path / "b" / database.name
    with gzip.open(folder / "users.bson.gz") as stream:
        assert sum(1 for _ in bson.decode_file_iter(stream)) == 2500
    with gzip.open(folder / "comments.metadata.json.gz") as stream:
        metadata = json_util.loads(stream.read())
    assert metadata["collectionName"] == "comments"
    by_text = next(i for i in metadata["indexes"] if i["name"] == "by_text")
    assert (by_text["key"], by_text["unique"]) == ({"text": 1}, True)
    private = {path.stat().st_mode & 0o777 for path in (tmp_path / "b").rglob("*.*")}
    assert private == {0o600}


def test_the_owners_priorities_decide_the_order(database: Mongo, tmp_path: Path) -> None:
    saved = back_up(database, tmp_path / "b", quiet, NOW).collections

    priorities = [each.priority for each in saved]
    assert priorities == sorted(priorities, key=["critical", "configuration", "other"].index)
    critical = {each.name for each in saved if each.priority == "critical"}
    assert {"users", "contributions", "token_rewards", "staking_records"} < critical
    assert "weekly_distributions" in critical
    order = in_order([each.name for each in saved])
    # Settling writes rewards before payouts, so a backup copies payouts before rewards.
    assert order.index("payout_batches") < order.index("token_rewards")


def test_a_full_folder_and_a_full_database_are_refused(
    database: Mongo, target: Mongo, tmp_path: Path
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)
    with pytest.raises(BackupExists):
        back_up(database, tmp_path / "b", quiet, NOW)
    target.users.insert_one({"_id": "precious"})

    with pytest.raises(DatabaseNotEmpty, match="users"):
        restore(target, tmp_path / "b", quiet)
    assert target.list_collection_names() == ["users"]

    target.drawings.insert_one({"_id": "not in the backup"})
    restore(target, tmp_path / "b", quiet, confirmed=True)
    assert target.users.count_documents({}) == 2500
    assert target.drawings.count_documents({}) == 1


@pytest.mark.parametrize("folder", ["file/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(
    database: Mongo, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FolderUnusable, match="Name a folder that can be made"):
        back_up(database, tmp_path / folder, quiet, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def metadata_of(folder: Path, manifest: BackupManifest, collection: str) -> tuple[Path, Any]:
    [saved] = [each for each in manifest.collections if each.name == collection]
    path = folder / saved.metadata.path
    return path, json_util.loads(gzip.decompress(path.read_bytes()))


def test_indexes_are_saved_without_what_one_engine_alone_knows(
    database: Mongo, tmp_path: Path
) -> None:
    manifest = back_up(database, tmp_path / "b", quiet, NOW)

    for collection in ("comments", "users"):
        _, metadata = metadata_of(tmp_path / "b", manifest, collection)
        assert len(metadata["indexes"]) > 1
        assert not any(ENGINES_OWN in index for index in metadata["indexes"])


def test_a_backup_with_another_engines_indexes_is_restored(
    database: Mongo, target: Mongo, tmp_path: Path
) -> None:
    manifest = back_up(database, tmp_path / "b", quiet, NOW)
    path, metadata = metadata_of(tmp_path / "b", manifest, "comments")
    for index in metadata["indexes"]:
        index[ENGINES_OWN] = {"anotherEngine": {}}
    path.write_bytes(gzip.compress(json_util.dumps(metadata).encode()))
    document = json.loads(manifest.to_json())
    [saved] = [each for each in document["collections"] if each["name"] == "comments"]
    with path.open("rb") as stream:
        saved["metadata"] |= {"size": path.stat().st_size, "sha256": digest(stream)}
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(document))

    restore(target, tmp_path / "b", quiet)

    assert target.comments.index_information()["by_text"]["unique"]


@pytest.mark.parametrize("how", ["changed", "missing", "cut off", "no manifest", "outside"])
def test_a_damaged_backup_writes_nothing(
    database: Mongo, target: Mongo, tmp_path: Path, how: str
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)
    victim = tmp_path / "b" / database.name / "users.bson.gz"
    manifest = tmp_path / "b" / "manifest.json"
    content = victim.read_bytes()
    if how == "changed":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "missing":
        victim.unlink()
    elif how == "cut off":
        victim.write_bytes(content[:-9])
    elif how == "no manifest":
        manifest.unlink()
    else:
        document = json.loads(manifest.read_text())
        document["collections"][0]["data"]["path"] = "../elsewhere"
        manifest.write_text(json.dumps(document))

    with pytest.raises((BackupDamaged, NoBackup)):
        restore(target, tmp_path / "b", quiet)
    assert target.list_collection_names() == []


class Killed(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_killed_restore_goes_on_where_it_stopped(
    database: Mongo, target: Mongo, tmp_path: Path, lines: int
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)
    said = 0

    def kill(line: str) -> None:
        nonlocal said
        said += 1
        if said == lines:
            raise Killed

    with pytest.raises(Killed):
        restore(target, tmp_path / "b", kill)
    restore(target, tmp_path / "b", quiet)

    assert everything(target) == everything(database)


@pytest.mark.parametrize("moves", range(4))
def test_a_restore_killed_while_it_moves_collections_goes_on(
    database: Mongo, target: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)
    done = 0

    def rename(collection: Any, name: str, **options: Any) -> None:
        nonlocal done
        if (done := done + 1) > moves:
            raise Killed
        real(collection, name, **options)

    real = Collection.rename
    with monkeypatch.context() as killing:
        killing.setattr(Collection, "rename", rename)
        with pytest.raises(Killed):
            restore(target, tmp_path / "b", quiet)
    restore(target, tmp_path / "b", quiet)

    assert everything(target) == everything(database)


def test_a_restore_replaces_nothing_that_was_written_since_it_began(
    database: Mongo, target: Mongo, tmp_path: Path
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)

    def write(line: str) -> None:
        if line.startswith("users"):
            target.users.insert_one({"_id": "written by a wiki that was not stopped"})

    with pytest.raises(RestoreIncomplete, match="users has 1 document instead of 0"):
        restore(target, tmp_path / "b", write)
    with pytest.raises(DatabaseNotEmpty):
        restore(target, tmp_path / "b", quiet)
    assert target.users.count_documents({}) == 1
    restore(target, tmp_path / "b", quiet, confirmed=True)

    assert everything(target) == everything(database)


def test_a_restore_that_was_given_up_confirms_no_later_one(
    database: Mongo, target: Mongo, tmp_path: Path
) -> None:
    back_up(database, tmp_path / "b", quiet, NOW)

    def give_up(line: str) -> None:
        raise Killed

    target.users.insert_one({"_id": "of the wiki"})
    with pytest.raises(Killed):
        restore(target, tmp_path / "b", give_up, confirmed=True)
    with pytest.raises(DatabaseNotEmpty, match="users"):
        restore(target, tmp_path / "b", quiet)
    assert list(target.users.find()) == [{"_id": "of the wiki"}]


def test_a_note_about_a_restore_is_in_no_backup(database: Mongo, tmp_path: Path) -> None:
    database[PROGRESS].insert_one({"_id": "another backup", "done": ["users"]})

    back_up(database, tmp_path / "b", quiet, NOW)

    saved = [each.name for each in read_manifest(tmp_path / "b").collections]
    assert PROGRESS not in saved


def test_a_note_in_an_older_backup_does_not_replace_the_running_one(
    database: Mongo, target: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database[PROGRESS].insert_one({"_id": "another backup", "done": ["users"]})
    database.zebras.insert_one({"_id": "put back after the note"})
    with monkeypatch.context() as earlier:
        earlier.setattr("worker.adapters.mongo.backup.write.is_of_a_restore", lambda _: False)
        back_up(database, tmp_path / "b", quiet, NOW)

    def kill(line: str) -> None:
        if line.startswith("zebras"):
            raise Killed

    with pytest.raises(Killed):
        restore(target, tmp_path / "b", kill)
    restore(target, tmp_path / "b", quiet)

    assert PROGRESS not in target.list_collection_names()
    assert target.zebras.count_documents({}) == 1


def test_a_single_that_the_backup_missed_is_asked_of_the_chain_again(
    database: Mongo, target: Mongo, tmp_path: Path
) -> None:
    reward = {"plan_id": "p", "position": 3, "route": "single", "status": "completed"}
    database.token_rewards.insert_one(dict(reward), bypass_document_validation=True)
    reward["amount_base_units"] = Int64(5)
    back_up(database, tmp_path / "b", quiet, NOW)

    report = restore(target, tmp_path / "b", quiet)

    assert report.mended == 1
    mended = target.token_rewards.find_one({"plan_id": "p"})
    assert mended is not None
    assert (mended["route"], mended["status"]) == ("waiting", "pending")
