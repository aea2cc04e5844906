"""Migration, rollback, backup and restore at the terminal, on a real database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.migrations import migrate, verify
from worker.adapters.mongo.restoring import restore
from worker.cli.main import run
from worker.cli.session import Session

pytestmark = pytest.mark.real

NOW = datetime(2024, 12, 16, 9, 30, tzinfo=UTC)
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        del seconds


class DatabaseSession(Session):
    """A session on one database, without settings and keys."""

    def __init__(self, database: Mongo) -> None:
        super().__init__()
        self.__dict__["database"] = database
        self.__dict__["clock"] = FixedClock()


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Mongo]:
    """A wiki's own database, as it was before this system came."""
    database = connect(mongo_uri, f"kontrib_safety_{os.getpid()}")
    database.client.drop_database(database.name)
    people = [{"_id": i, "name": f"user {i}", "prefs": {"dark": True}} for i in range(20)]
    database.users.insert_many(people)
    database.users.create_index("name", unique=True)
    database.articles.insert_one({"_id": 1, "title": "t"})
    database.comments.insert_one({"_id": 1, "text": "not ours"})
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def everything(database: Mongo) -> dict[str, list[Any]]:
    return {
        name: [list(database[name].find().sort("_id", 1)), list(database[name].list_indexes())]
        for name in sorted(database.list_collection_names())
        if name != "system_config"
    }


def kontrib(database: Mongo, *arguments: str) -> int:
    return run(arguments, DatabaseSession(database))


def test_migrate_verify_and_roll_back_leave_the_wiki_as_it_was(
    database: Mongo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(database)
    assert kontrib(database, "migrate", "verify") == 1
    assert "collection missing" in capsys.readouterr().out
    assert kontrib(database, "migrate", "--dry-run") == 0
    assert everything(database) == before
    assert kontrib(database, "migrate") == 0
    assert kontrib(database, "migrate", "verify") == 0
    migrated = everything(database)
    backup = str(tmp_path / "backup")

    code = kontrib(database, "migrate", "rollback", "--confirm", database.name, "--backup", backup)

    assert code == 0
    assert everything(database) == before
    database.client.drop_database(database.name)
    restore(database, Path(backup), lambda line: None)
    assert everything(database) == migrated


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 1), (("--confirm", "another"), 2), (("--confirm", "another", "--force"), 2)],
)
def test_a_rollback_is_confirmed_by_the_databases_name(
    database: Mongo, arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database, lambda line: None, NOW)
    before = everything(database)

    assert kontrib(database, "migrate", "rollback", *arguments) == code

    assert everything(database) == before
    assert database.name in capsys.readouterr().err


def test_a_rollback_refuses_while_a_week_is_open(
    database: Mongo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database, lambda line: None, NOW)
    week = {"week_start": MONDAY, "status": "pending", "stage": "due", "plan_id": None}
    database.weekly_distributions.insert_one(week, bypass_document_validation=True)
    before = everything(database)
    folder = tmp_path / "backup"

    asked = ("migrate", "rollback", "--confirm", database.name, "--backup", str(folder))
    assert kontrib(database, *asked) == 1

    assert "2024-W50 is open" in capsys.readouterr().err
    assert everything(database) == before
    assert not folder.exists()
    assert kontrib(database, *asked, "--force") == 0
    assert (folder / "manifest.json").exists()
    assert "weekly_distributions" not in database.list_collection_names()


def test_a_rollback_whose_backup_fails_changes_nothing(database: Mongo, tmp_path: Path) -> None:
    migrate(database, lambda line: None, NOW)
    before = everything(database)
    (tmp_path / "something").touch()

    asked = ("migrate", "rollback", "--confirm", database.name, "--backup", str(tmp_path))
    assert kontrib(database, *asked) == 2

    assert everything(database) == before


def test_backup_and_restore_at_the_terminal(
    database: Mongo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database, lambda line: None, NOW)
    before, folder = everything(database), str(tmp_path / "b")
    assert kontrib(database, "backup", folder, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["collections"]["users"] == {"documents": 20, "priority": "critical"}
    assert kontrib(database, "backup", folder) == 2

    database.users.update_one({"_id": 1}, {"$set": {"name": "changed since"}})
    assert kontrib(database, "restore", folder) == 1
    assert kontrib(database, "restore", folder, "--confirm", "another") == 2
    assert database.users.find_one({"_id": 1})["name"] == "changed since"  # type: ignore[index]
    assert kontrib(database, "restore", folder, "--confirm", database.name) == 0

    assert everything(database) == before
    assert kontrib(database, "restore", str(tmp_path)) == 2


def test_archive_at_the_terminal(database: Mongo, capsys: pytest.CaptureFixture[str]) -> None:
    migrate(database, lambda line: None, NOW)
    old = {"week_start": datetime(2022, 1, 3, tzinfo=UTC), "status": "completed"}
    database.weekly_distributions.insert_one(old, bypass_document_validation=True)

    assert kontrib(database, "archive", "--dry-run") == 0
    assert database.weekly_distributions.count_documents({}) == 1
    assert kontrib(database, "archive", "--json") == 0

    assert '"2022-W01"' in capsys.readouterr().out
    assert database.weekly_distributions.count_documents({}) == 0
    assert database.weekly_distributions_archive.count_documents({}) == 1


MIGRATION = """
import sys
from datetime import UTC, datetime
from worker.adapters.mongo import migrations
from worker.adapters.mongo.connection import connect
migrations.CHUNK_DOCUMENTS = 50
database = connect(sys.argv[1], sys.argv[2])
migrations.migrate(database, lambda line: print(line, flush=True), datetime.now(UTC))
"""


@pytest.mark.parametrize("lines", [3, 14, 22, 40])
def test_a_migration_that_was_killed_can_be_run_again(
    database: Mongo, mongo_uri: str, lines: int
) -> None:
    """A real process, ended by kill -9 while it works at a step."""
    database.users.insert_many([{"_id": 100 + i, "name": f"more {i}"} for i in range(2000)])
    names = list(database.users.find({}, {"name": 1, "prefs": 1}).sort("_id", 1))
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATION, mongo_uri, database.name],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    process.stdout.close()
    assert verify(database) != []

    report = migrate(database, lambda line: None, NOW)

    assert report.remaining == []
    assert verify(database) == []
    assert list(database.users.find({}, {"name": 1, "prefs": 1}).sort("_id", 1)) == names
    assert list(database.comments.find()) == [{"_id": 1, "text": "not ours"}]
    assert database.users.index_information()["name_1"]["unique"]
