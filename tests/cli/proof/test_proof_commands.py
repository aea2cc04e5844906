"""`kontrib publish`, `verify`, `proof`, `verify-proof`, as operators and strangers run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.fakes.world import World, chain_of, user_id_of
from worker.core.identity import read_salts
from worker.core.week import Week

URL = "http://127.0.0.1:8899"
WEEK = "2024-12-09"


@pytest.fixture
def published(world: World, kontrib: Command, tmp_path: Path) -> Path:
    """A closed week's bundle."""
    world.populate(7)
    world.genesis()
    world.run()
    world.ledger.finalize()
    assert kontrib("publish", "2024-W50", str(tmp_path)) == 0, kontrib.err
    return tmp_path / WEEK


def test_publish_says_what_is_in_the_bundle(
    published: Path, kontrib: Command, tmp_path: Path
) -> None:
    assert f"kontrib verify {published}" in kontrib.err
    assert f"put {tmp_path} on any web host, and open its index.html" in kontrib.err
    assert (tmp_path / "index.html").read_text() == (published / "index.html").read_text()
    found = kontrib.json("publish", WEEK, str(tmp_path / "again"))
    assert found["batches"] == {"paid": 3, "void": 0, "open": 0}
    assert found["paid_base_units"] == found["total_base_units"] == 10_000 * 10**9


def test_a_bundle_is_there_whole_or_not_at_all(
    world: World, kontrib: Command, tmp_path: Path
) -> None:
    world.populate(3)
    world.genesis()
    assert kontrib("publish", "2024-W50", str(tmp_path)) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_published_week_is_verified_in_one_line(published: Path, kontrib: Command) -> None:
    assert kontrib("verify", str(published), "--rpc", URL) == 0, kontrib.out
    assert kontrib.out.strip().splitlines()[-1].startswith("VERIFIED: 2024-W50, 7 rewards")


def test_a_changed_digit_exits_with_one_and_is_named(published: Path, kontrib: Command) -> None:
    plan = published / "plan.jsonl"
    plan.write_bytes(plan.read_bytes().replace(b'"points":"104"', b'"points":"105"', 1))
    assert kontrib("verify", str(published)) == 1
    assert "plan.jsonl line " in kontrib.out
    assert kontrib.out.strip().splitlines()[-1].startswith("WRONG: 2024-W50 does not hold")
    found = kontrib.json("verify", str(published), "--rpc", URL)
    assert kontrib.code == 1
    assert not found["verified"]


def test_tiers_are_compared_where_they_are_given(published: Path, kontrib: Command) -> None:
    assert kontrib("verify", str(published), "--tiers", "1.1, 1.3") == 0
    assert kontrib("verify", str(published), "--tiers", "0.5") == 2


def test_the_folder_that_publish_was_given_is_verified_whole(
    world: World, published: Path, kontrib: Command
) -> None:
    assert kontrib("verify", str(published.parent)) == 0, kontrib.err
    world.clock.sleep(7 * 24 * 3600)
    world.run()
    world.ledger.finalize()
    assert kontrib("publish", "2024-W51", str(published.parent)) == 0, kontrib.err
    assert kontrib("verify", str(published.parent)) == 0, kontrib.err
    verdicts = [line.split(",")[0] for line in kontrib.out.splitlines() if "VERIFIED" in line]
    assert verdicts == ["VERIFIED in itself: 2024-W50", "VERIFIED in itself: 2024-W51"]
    (published / "manifest.json").write_text("{}")
    found = kontrib.json("verify", str(published.parent))
    assert kontrib.code == 1
    assert [week["verified"] for week in found["weeks"]] == [False, True]
    assert found["verified"] is False


def test_a_folder_that_cannot_be_written_is_named_for_what_it_is(
    published: Path, kontrib: Command, tmp_path: Path
) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert kontrib("publish", WEEK, str(taken)) == 2
    assert "cannot be written" in kontrib.err
    assert "may write to" in kontrib.err


def test_a_text_is_not_a_proof(kontrib: Command, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    assert kontrib("verify-proof", str(file)) == 1
    assert "kontrib proof" in kontrib.out
    assert "not a proof" in kontrib.out


def test_what_is_no_bundle_is_wrong_usage(kontrib: Command, tmp_path: Path) -> None:
    assert kontrib("verify", str(tmp_path)) == 2
    assert "manifest.json is missing" in kontrib.err


def test_a_proof_is_written_for_its_reader_alone_and_verified(
    published: Path, kontrib: Command, tmp_path: Path
) -> None:
    file = tmp_path / "proof.json"
    assert kontrib("proof", user_id_of("user 4"), "2024-W50", "--out", str(file)) == 0, kontrib.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert kontrib("verify-proof", str(file), "--rpc", URL) == 0, kontrib.out
    assert "Paid to " in kontrib.out
    file.write_bytes(file.read_bytes().replace(b'"points":"104"', b'"points":"204"'))
    assert kontrib("verify-proof", str(file)) == 1


def test_a_proof_goes_to_standard_output_by_default(published: Path, kontrib: Command) -> None:
    assert kontrib("proof", user_id_of("user 4"), "2024-W50") == 0
    assert kontrib.out.startswith('{"cluster_genesis"')
    assert kontrib("proof", "nobody", "2024-W50") == 2


def test_a_proof_that_is_not_there_is_wrong_usage(kontrib: Command, tmp_path: Path) -> None:
    assert kontrib("verify-proof", str(tmp_path / "none")) == 2
    assert "No such file" in kontrib.err


def test_the_salts_of_all_weeks_are_written_for_ourselves_alone(
    published: Path, kontrib: Command, tmp_path: Path, world: World
) -> None:
    file = tmp_path / "salts.json"
    assert kontrib("salts", str(file)) == 0, kontrib.err
    assert "EARLIER_SALTS_FILE" in kontrib.err
    assert file.stat().st_mode & 0o077 == 0
    written = read_salts(file.read_bytes(), chain_of(world.first).receipt_key)
    assert written[WEEK] == chain_of(world.first).plan_salt(Week.parse(WEEK))
    assert kontrib.json("salts", str(tmp_path / "again.json"))["weeks"] == len(written)


def test_salts_are_never_written_over_a_file(
    published: Path, kontrib: Command, tmp_path: Path
) -> None:
    file = tmp_path / "receipts.json"
    file.write_text("a key")
    assert kontrib("salts", str(file)) == 2
    assert "Name a new file" in kontrib.err
    assert file.read_text() == "a key"
