"""`kontrib report`, as operators and their tax advisers run it."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.fakes.world import World, chain_of, user_id_of

WEEK = "2024-W50"


@pytest.fixture
def closed(world: World) -> World:
    """A week with seven paid rewards and a held one."""
    world.populate(7)
    world.add_user("nobody", wallet=None)
    world.contribute("nobody", 50)
    world.genesis()
    world.run()
    return world


def rows(kontrib: Command) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(kontrib.out)))


def test_the_page_is_written_for_its_writer_alone(
    closed: World, kontrib: Command, tmp_path: Path
) -> None:
    file = tmp_path / "week.html"
    assert kontrib("report", WEEK, "--html", str(file)) == 0, kontrib.err
    assert file.read_text().startswith("<!doctype html>")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["week.html"]


def test_the_csv_has_a_line_for_each_reward_and_sums_to_the_plan(
    closed: World, kontrib: Command
) -> None:
    assert kontrib("report", WEEK, "--csv") == 0, kontrib.err
    lines = rows(kontrib)
    assert len(lines) == 8
    assert sum(int(line["amount_base_units"]) for line in lines) == 10_000 * 10**9
    held = [line for line in lines if line["status"] != "completed"]
    assert [line["reason"] for line in held] == ["no wallet address"]
    assert all(line["explorer"] for line in lines if line["status"] == "completed")


def test_the_json_says_what_the_page_says(closed: World, kontrib: Command) -> None:
    found = kontrib.json("report", WEEK)
    assert found["cluster"] == "custom"
    assert found["by_type"]["creation"]["count"] == 8
    assert found["held_by_reason"][0]["users"] == [user_id_of("nobody")]
    assert "wallet" in found["held_by_reason"][0]["what_to_do"]
    assert found["cost_lamports"]["total"] > 0
    assert len(found["transactions"]) == 3


def test_a_report_is_made_while_the_chain_is_unreachable(closed: World, kontrib: Command) -> None:
    chain_of(closed.first).endpoints[0].down = True
    found = kontrib.json("report", WEEK)
    assert (found["cluster"], found["cost_lamports"]["total"]) == (None, None)
    assert "The chain cannot be read" in kontrib.err


def test_a_year_of_a_user_holds_what_was_paid_in_it(closed: World, kontrib: Command) -> None:
    user = user_id_of("user 3")
    assert kontrib("report", "--year", "2024", "--user", user.upper(), "--csv") == 0, kontrib.err
    (line,) = rows(kontrib)
    assert (line["week"], line["user_id"]) == (WEEK, user)
    assert line["paid_at"].startswith("2024-12-16T")
    assert line["slot"]
    assert line["transaction"]
    assert kontrib("report", "--year", "2023", "--user", user, "--csv") == 0
    assert rows(kontrib) == []


def test_a_year_of_nobody_is_refused(closed: World, kontrib: Command) -> None:
    assert kontrib("report", "--year", "2024", "--user", "who", "--csv") == 2
    assert "There is no user" in kontrib.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [WEEK, "--csv", "--json"],
        ["--csv"],
        ["--year", "2024"],
        ["--user", "x", "--csv"],
        [WEEK, "--user", "x"],
        ["--year", "2024", "--csv", "--prices", "p.csv"],
        ["--year", "2024", "--csv", "--currency", "EUR"],
        [WEEK, "--year", "2024", "--user", "x", "--csv"],
        ["--year", "2024", "--user", "x", "--html", "x.html"],
    ],
)
def test_what_has_no_meaning_is_refused(kontrib: Command, arguments: list[str]) -> None:
    assert kontrib("report", *arguments) == 2


def test_a_week_without_a_plan_and_a_missing_folder_are_reported(
    closed: World, kontrib: Command, tmp_path: Path
) -> None:
    assert kontrib("report", "2025-W50", "--csv") == 3
    assert kontrib("report", WEEK, "--html", str(tmp_path / "none" / "x.html")) == 2
    assert "cannot be written" in kontrib.err


def test_a_week_alone_is_printed_as_tables(closed: World, kontrib: Command) -> None:
    assert kontrib("report", WEEK) == 0, kontrib.err
    assert "no wallet address" in kontrib.out
    assert "KONTRIB a weighted point" in kontrib.out
    assert user_id_of("user 3") in kontrib.out


def test_a_year_of_everybody_holds_every_payment(closed: World, kontrib: Command) -> None:
    assert kontrib("report", "--year", "2024", "--csv") == 0, kontrib.err
    lines = rows(kontrib)
    assert len({line["user_id"] for line in lines}) == len(lines) == 7
    paid = sum(int(line["amount_base_units"]) for line in lines)
    assert kontrib("report", "--year", "2024", "--json") == 0
    assert json.loads(kontrib.out)["total_base_units"] == paid


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_prices_give_the_exact_value(
    closed: World, kontrib: Command, tmp_path: Path, separator: str
) -> None:
    prices = tmp_path / "prices.csv"
    lines = ["date,price", "2024-12-15,9", "2024-12-16,0.041512345", ""]
    prices.write_text("\ufeff" + "\r\n".join(lines).replace(",", separator))
    year = ("report", "--year", "2024", "--prices", str(prices), "--currency", "EUR")
    assert kontrib(*year, "--csv") == 0, kontrib.err
    for line in rows(kontrib):
        exact = Decimal(line["amount_base_units"]).scaleb(-9) * Decimal("0.041512345")
        assert Decimal(line["value"]) == exact
        assert (line["price"], line["currency"]) == ("0.041512345", "EUR")
    assert " EUR." in kontrib.err


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        ("date,price\n2024-12-15,1\n", 1, "2024-12-16"),
        ("date,price\n2024-12-16,1\n2024-12-16,2\n", 2, "Line 3"),
        ("date,price\n16.12.2024,1\n", 2, "Line 2"),
        ("date,price\n2024-12-16,1_0\n", 2, "Line 2"),
        ("date,price\n2024-12-16,-1\n", 2, "Line 2"),
        ("date,price\n2024-12-16;1,5\n", 2, "Line 2"),
        ("date,price\n2024-02-30,1\n", 2, "Line 2"),
        ("day,eur\n", 2, "Line 1"),
        ("", 2, "empty"),
    ],
)
def test_prices_that_are_wrong_or_missing_are_named(
    closed: World, kontrib: Command, tmp_path: Path, content: str, code: int, reason: str
) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(content)
    year = ("report", "--year", "2024", "--prices", str(prices), "--currency", "EUR")
    assert kontrib(*year, "--csv") == code
    assert reason in kontrib.err
    assert kontrib.out == ""


def test_a_file_of_prices_that_is_none_and_a_currency_that_is_none(
    closed: World, kontrib: Command, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.csv"
    year = ("report", "--year", "2024", "--csv", "--prices", str(prices), "--currency")
    assert kontrib(*year, "EUR") == 2
    assert "cannot be read" in kontrib.err
    prices.write_bytes(b"\xff\xfe\x00")
    assert kontrib(*year, "EUR") == 2
    assert "UTF-8" in kontrib.err
    prices.write_text("date,price\n2024-12-16,1\n")
    assert kontrib(*year, "euro") == 2
