"""`kontrib import`: files of every kind, and the result of each import."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.fakes.wiki.ingest import json_lines, record
from tests.fakes.world import WEEK, World, store_of
from worker.cli.database.import_file import trial_wallet
from worker.core.wiki.files.record import RECORD_BYTES_MAX
from worker.services.plan.plan_week import plan_week

THREE = json_lines([record(), record(), record(description="another")])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "contributions.jsonl"
    path.write_bytes(b"".join(THREE))
    return path


def test_contributions_are_added_once(kontrib: Command, file: Path) -> None:
    assert kontrib("import", str(file)) == 0
    assert "3 contributions added from 2024-W50 to 2024-W50, 0 already there" in kontrib.out
    assert kontrib.json("import", str(file))["already_there"] == 3


def test_gzip_is_told_by_content_and_gives_the_same_ids(
    kontrib: Command, file: Path, tmp_path: Path
) -> None:
    kontrib("import", str(file))
    packed = tmp_path / "no ending"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert kontrib.json("import", str(packed))["already_there"] == 3


def test_standard_input_is_a_file_too(kontrib: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.TextIOWrapper(io.BytesIO(gzip.compress(b"".join(THREE))))
    monkeypatch.setattr("sys.stdin", piped)
    assert kontrib.json("import", "-")["added"] == 3


def test_csv_is_imported(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "contributions.csv"
    path.write_text("user_id,type,created_at\nsomebody,review,2024-12-09T10:00:00Z\n")
    assert kontrib.json("import", str(path))["added"] == 1


def test_malformed_lines_are_reported_and_the_others_imported(kontrib: Command, file: Path) -> None:
    with file.open("ab") as appended:
        appended.write(b'{"type": "poem"}\n{broken\n')
    shown = kontrib.json("import", str(file))
    assert kontrib.code == 1
    assert (shown["added"], shown["malformed_count"]) == (3, 2)
    assert [each["line"] for each in shown["malformed"]] == [4, 5]
    kontrib("import", str(file))
    assert "line 5: not JSON" in kontrib.out
    assert "2 of 5 lines could not be imported. The others are there" in kontrib.err
    assert "Line 4: Unknown contribution type 'poem'" in kontrib.err


def test_a_file_without_any_usable_line_is_a_failure(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text("{broken\n" * 30)
    assert kontrib("import", str(path)) == 1
    assert "Nothing was imported from 30 lines. Line 1: not JSON" in kontrib.err
    assert "and 20 more" in kontrib.out


def test_another_kind_of_file_is_wrong_usage(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear wiki,\n")
    assert kontrib("import", str(path)) == 2
    assert "It must hold JSON objects, or CSV with a header" in kontrib.err


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_what_cannot_be_opened_is_wrong_usage(kontrib: Command, tmp_path: Path, name: str) -> None:
    assert kontrib("import", str(tmp_path / name)) == 2
    assert "cannot be read" in kontrib.err


def test_a_broken_archive_is_imported_as_far_as_it_goes(kontrib: Command, tmp_path: Path) -> None:
    whole = b"".join(json_lines([record(description=f"page {i}") for i in range(5000)]))
    path = tmp_path / "broken.gz"
    packed = gzip.compress(whole)
    path.write_bytes(packed[: len(packed) // 2])
    assert kontrib("import", str(path)) == 1
    assert "breaks off after line" in kontrib.err
    path.write_bytes(packed)
    shown = kontrib.json("import", str(path))
    assert shown["added"] + shown["already_there"] == shown["lines"] == 5000
    assert shown["already_there"] > 0


def test_a_line_without_end_neither_stops_an_import_nor_fills_the_memory(
    kontrib: Command, tmp_path: Path
) -> None:
    path = tmp_path / "endless.jsonl"
    path.write_bytes(THREE[0] + b"{" + b"x" * (3 * RECORD_BYTES_MAX) + b"\n" + THREE[2])
    shown = kontrib.json("import", str(path))
    assert (shown["added"], shown["malformed_count"]) == (2, 1)


def test_one_week_can_be_picked(kontrib: Command, tmp_path: Path) -> None:
    path = tmp_path / "two weeks.jsonl"
    path.write_bytes(b"".join([*THREE, *json_lines([record(created_at="2024-12-20")])]))
    shown = kontrib.json("import", str(path), "--week", "2024-W51")
    assert (shown["added"], shown["other_weeks"]) == (1, 3)
    assert shown["weeks"] == {"2024-W51": 1}


def test_users_and_trial_wallets_are_made_for_a_trial(
    kontrib: Command, world: World, file: Path
) -> None:
    shown = kontrib.json("import", str(file), "--create-users", "--create-wallets")
    assert (shown["users_added"], shown["wallets_given"]) == (1, 1)
    (user,) = store_of(world.first).state.users.values()
    assert user["wallet_address"] == trial_wallet("507f1f77bcf86cd799439011")


def test_trial_wallets_are_refused_on_a_real_cluster(
    kontrib: Command, world: World, file: Path
) -> None:
    kontrib.session.rpc_urls = ("http://127.0.0.1:8899", "https://api.mainnet-beta.solana.com")
    assert kontrib("import", str(file), "--create-users", "--create-wallets") == 1
    assert "keys anyone can derive" in kontrib.err
    assert store_of(world.first).state.users == {}


def test_missing_users_are_noted(kontrib: Command, file: Path) -> None:
    kontrib("import", str(file))
    assert "these contributions name 1 user that the wiki does not have" in kontrib.err


def test_contributions_to_a_planned_week_are_noted(
    kontrib: Command, world: World, file: Path
) -> None:
    world.genesis()
    plan_week(world.first, WEEK)
    kontrib("import", str(file))
    assert "already have a plan (2024-W50)" in kontrib.err


def test_trial_wallets_are_the_same_every_time_and_differ_by_user() -> None:
    assert trial_wallet("a") == trial_wallet("a")
    assert trial_wallet("a") != trial_wallet("b")
