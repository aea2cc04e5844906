"""Backups with any damage: refused by name before anything is written, or restored whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.fuzz.damage import Damage
from tests.fakes.documents import contribution_document, user_document
from worker.adapters.mongo import names
from worker.adapters.mongo.backup.restore import restore
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.connection import Mongo, connect
from worker.core.errors import KontribError

NOW = datetime(2024, 12, 20, tzinfo=UTC)
BACKUPS = 60
pytestmark = pytest.mark.real


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    database = connect(mongo_uri, f"kontrib_damaged_{os.getpid()}")
    database.client.drop_database(database.name)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def content(database: Mongo) -> dict[str, list[Any]]:
    found = {name: list(database[name].find().sort("_id")) for name in _names(database)}
    return {name: documents for name, documents in found.items() if documents}


def _names(database: Mongo) -> list[str]:
    return sorted(database.list_collection_names())


def test_a_damaged_backup_is_refused_or_restored_whole(database: Mongo, tmp_path: Path) -> None:
    database[names.USERS].insert_many([user_document(f"u{n}", f"w{n}") for n in range(20)])
    database[names.CONTRIBUTIONS].insert_many(
        [contribution_document("u1", NOW, number=n) for n in range(20)]
    )
    whole, damaged, damage = tmp_path / "whole", tmp_path / "damaged", Damage(10)
    back_up(database, whole, lambda line: None, NOW)
    expected = content(database)
    for name in expected:
        database.drop_collection(name)
    restored = 0
    for _ in range(BACKUPS):
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(whole, damaged)
        files = sorted(path for path in damaged.rglob("*") if path.is_file())
        path = damage.random.choice([*files, *[damaged / "manifest.json"] * 5])
        path.write_bytes(damage.bytes(path.read_bytes()))
        try:
            restore(database, damaged, lambda line: None)
        except KontribError:
            assert content(database) == {}, path
            continue
        restored += 1
        assert content(database) == expected, path
        for name in expected:
            database.drop_collection(name)
    assert restored < BACKUPS
