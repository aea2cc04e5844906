"""Migration, rollback, backup and restore at the terminal, on a real database."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from worker.adapters.mongo.backup.restore import restore
from worker.adapters.mongo.connection import Mongo, connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.migrations import migrate, verify
from worker.cli.main import run
from worker.cli.session import Session
from worker.core.week import Week

pytestmark = pytest.mark.real

NOW = datetime(2024, 12, 16, 9, 30, tzinfo=UTC)
MONDAY = datetime(2024, 12, 9, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


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
    """A wiki's own database before its first migration."""
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


@pytest.mark.parametrize("folder", ["", "something/below"])
def test_a_rollback_whose_backup_fails_changes_nothing(
    database: Mongo, tmp_path: Path, folder: str
) -> None:
    migrate(database, lambda line: None, NOW)
    before = everything(database)
    (tmp_path / "something").touch()

    asked = ("migrate", "rollback", "--confirm", database.name, "--backup", str(tmp_path / folder))
    assert kontrib(database, *asked) == 2

    assert everything(database) == before


def test_a_rollback_refuses_while_a_week_that_is_over_has_no_plan(
    database: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database, lambda line: None, NOW)
    MongoStore(database).record_first_week(Week.parse("2024-W50"))
    before = everything(database)

    asked = ("migrate", "rollback", "--confirm", database.name, "--no-backup")
    assert kontrib(database, *asked) == 1

    assert "2024-W50 is open" in capsys.readouterr().err
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


# The process pauses after so many lines and commands, in the middle of a longer step.
MIGRATION = """
import sys, time
from datetime import UTC, datetime
from pymongo import monitoring
from worker.adapters.mongo import base
from worker.adapters.mongo.schema import migrations
from worker.adapters.mongo.connection import connect

lines_left, commands_left = map(int, sys.argv[3:])

class StandingStill(monitoring.CommandListener):
    def started(self, event):
        global commands_left
        commands_left -= lines_left <= 0
        if commands_left < 0:
            print("stands still", flush=True)
            time.sleep(3600)

    def succeeded(self, event):
        pass

    failed = succeeded

def say(line):
    global lines_left
    print(line, flush=True)
    lines_left -= 1

monitoring.register(StandingStill())
base.CHUNK_DOCUMENTS = 50
migrations.migrate(connect(sys.argv[1], sys.argv[2]), say, datetime.now(UTC))
"""


@pytest.mark.parametrize(("lines", "commands"), [(3, 1), (12, 5), (22, 1), (40, 1)])
def test_a_migration_that_was_killed_can_be_run_again(
    database: Mongo, mongo_uri: str, lines: int, commands: int
) -> None:
    """A real process, ended by kill -9 while it works at a step."""
    database.users.insert_many([{"_id": 100 + i, "name": f"more {i}"} for i in range(2000)])
    names = list(database.users.find({}, {"name": 1, "prefs": 1}).sort("_id", 1))
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATION, mongo_uri, database.name, str(lines), str(commands)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    said = list(itertools.takewhile(lambda line: line != "stands still\n", process.stdout))
    assert process.poll() is None
    assert len(said) >= lines
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


def test_three_migrations_at_once_end_right(database: Mongo, mongo_uri: str) -> None:
    """Real processes. The wallets collide, and an index of the wiki's is replaced."""
    database.users.update_many({}, [{"$set": {"wallet_address": {"$concat": ["w"]}}}])
    database.users.create_index("wallet_address")
    before = everything(database)
    arguments = [sys.executable, "-c", MIGRATION, mongo_uri, database.name, "1000", "0"]

    started = [
        subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
        for _ in range(3)
    ]

    assert [(process.communicate(timeout=120)[1], process.returncode) for process in started] == [
        (b"", 0)
    ] * 3
    assert verify(database) == []
    assert database.users.count_documents({"wallet_address": "w"}) == 1
    assert kontrib(database, "migrate", "rollback", "--no-backup", "--confirm", database.name) == 0
    assert everything(database) == before


def test_what_migration_cannot_take_is_named_and_nothing_is_changed(
    database: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    database.contributions.insert_one({"_id": 1, "donor": "Ada", "amount": 5})
    before = everything(database)

    for arguments in (("migrate",), ("migrate", "--dry-run")):
        assert kontrib(database, *arguments) == 1
        shown = " ".join(capsys.readouterr().err.split())
        assert "contributions has another meaning" in shown
        assert "--set-aside contributions" in shown
    assert everything(database) == before
    assert kontrib(database, "migrate", "--set-aside", "articles") == 2

    assert kontrib(database, "migrate", "--set-aside", "contributions") == 0
    assert database.contributions_before_kontrib.find_one() == {
        "_id": 1,
        "donor": "Ada",
        "amount": 5,
    }
    assert kontrib(database, "migrate", "rollback", "--no-backup", "--confirm", database.name) == 0
    assert everything(database) == before


def test_migrate_names_users_with_several_documents(
    database: Mongo, capsys: pytest.CaptureFixture[str]
) -> None:
    user_id = "5f0f77bcf86cd7994390110a"
    database.users.insert_many(
        [{"_id": form, "name": repr(form)} for form in (user_id, user_id.upper())]
    )

    assert kontrib(database, "migrate", "--json") == 0

    shown = capsys.readouterr()
    (warning,) = json.loads(shown.out)["warnings"]
    assert f"2 documents are user {user_id}" in warning
    assert warning in " ".join(shown.err.split())
