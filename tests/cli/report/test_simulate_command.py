"""`kontrib simulate`: a history under other rules, as a table, as data and as a plot."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Command
from worker.adapters.mongo.schema.seeds import CONFIG


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Three weeks; nobody contributes in the second one."""
    lines = []
    for day, users in (("2024-12-03", 4), ("2024-12-18", 6)):
        for number in range(users):
            kinds = ["creation"] * (number + 1)
            lines += [
                {"user_id": f"user {number}", "type": kind, "created_at": f"{day}T0{i}:00:00Z"}
                for i, kind in enumerate(kinds)
            ]
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "not json\n")
    return str(path)


def test_other_rules_are_compared_with_todays(file: str, kontrib: Command) -> None:
    found = kontrib.json("simulate", "--pool", "15000", file)
    assert [week["week"] for week in found["weeks"]] == ["2024-W49", "2024-W50", "2024-W51"]
    assert [week["tried"]["recipients"] for week in found["weeks"]] == [4, 0, 6]
    assert found["overall"]["today"]["total_base_units"] == 20_000 * 10**9
    assert found["overall"]["tried"]["total_base_units"] == 30_000 * 10**9
    assert found["malformed"] == 1
    assert "1 malformed lines are ignored" in kontrib.err


def test_a_span_of_weeks_is_chosen(file: str, kontrib: Command) -> None:
    found = kontrib.json("simulate", "--from", "2024-W51", "--to", "2024-W52", file)
    assert [week["week"] for week in found["weeks"]] == ["2024-W51", "2024-W52"]


def test_the_table_ends_with_both_rules_side_by_side(file: str, kontrib: Command) -> None:
    assert kontrib("simulate", "--min-points", "200", "--floor", "3", file) == 0, kontrib.err
    assert "today's rules" in kontrib.out
    assert "Gini of people" in kontrib.out


def test_weeks_as_csv(file: str, kontrib: Command) -> None:
    assert kontrib("simulate", "--min-points", "200", "--csv", file) == 0
    rows = list(csv.DictReader(io.StringIO(kontrib.out)))
    assert [row["tried_recipients"] for row in rows] == ["3", "0", "5"]
    assert [row["today_recipients"] for row in rows] == ["4", "0", "6"]


def test_the_plot_is_one_svg_that_needs_nothing_else(
    file: str, kontrib: Command, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.svg"
    assert kontrib("simulate", "--pool", "15000", "--plot", str(plot), file) == 0
    root = ElementTree.parse(plot).getroot()  # noqa: S314 - we wrote it
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert names.count("polyline") == 8
    assert "script" not in names
    assert "href" not in plot.read_text()


def test_a_single_week_in_which_nobody_qualifies_is_drawn(
    file: str, kontrib: Command, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.svg"
    span = ("--from", "2024-W51", "--to", "2024-W51", "--min-points", "1000000")
    assert kontrib("simulate", *span, "--plot", str(plot), file) == 0, kontrib.err
    words = [element.text for element in ElementTree.parse(plot).getroot().iter()]  # noqa: S314 - we wrote it
    assert words.count("2024-W51") == 4


def test_bonuses_on_top_need_somebody_who_stakes(file: str, kontrib: Command) -> None:
    kontrib.json("simulate", "--staking-bonus", "on_top", file)
    assert "Without --stakers nobody stakes" in kontrib.err
    found = kontrib.json("simulate", "--staking-bonus", "on_top", "--stakers", "100", file)
    assert found["overall"]["today"]["total_base_units"] == 20_000 * 10**9
    assert found["overall"]["tried"]["total_base_units"] == 26_000 * 10**9


def test_rules_come_from_a_file(file: str, kontrib: Command, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(CONFIG | {"weekly_pool": 500}))
    found = kontrib.json("simulate", "--rules", str(rules), "--pool", "600", file)
    assert found["rules"]["today"]["pool_base_units"] == 500 * 10**9
    rules.write_text("[]")
    assert kontrib("simulate", "--rules", str(rules), file) == 2


@pytest.mark.parametrize(
    "arguments",
    [("--pool", "-1"), ("--floor", "x"), ("--multiplier", "0.5"), ("--from", "2030-W01")],
)
def test_what_has_no_meaning_is_wrong_usage(
    file: str, kontrib: Command, arguments: tuple[str, str]
) -> None:
    assert kontrib("simulate", *arguments, file) == 2
    assert "error:" in kontrib.err
