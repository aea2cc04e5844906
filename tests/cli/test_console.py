"""Output that is piped is data, whole and without colours; notices go to stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from tests.cli.conftest import Command
from tests.fakes.world import World
from worker.cli.console import PIPED_WIDTH, console, facts, plain, table
from worker.core.lifecycle import Stage
from worker.core.week import Week


@dataclass(frozen=True)
class Point:
    x: int
    at: datetime


def test_json_knows_the_values_of_this_system() -> None:
    at = datetime(2024, 12, 9, tzinfo=UTC)
    values = [Week.parse("2024-W50"), at, b"\x01\xff", Fraction(4, 5), Stage.DUE, Point(1, at)]
    assert json.loads(json.dumps(values, default=plain)) == [
        "2024-W50",
        "2024-12-09T00:00:00+00:00",
        "01ff",
        0.8,
        "due",
        {"x": 1, "at": "2024-12-09T00:00:00+00:00"},
    ]


def test_a_piped_signature_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    signature = "5" * 88
    made = table("week", ">amount", "signature")
    made.add_row("2024-W50", "10,000", signature)
    console().print(made)
    console().print(facts({"signature": signature, "nothing": None}))
    out = capsys.readouterr().out
    assert out.count(signature) == 2
    assert "nothing" not in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= PIPED_WIDTH


def test_text_of_others_is_never_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(facts({"reason": "[red]not a colour[/]"}))
    assert "[red]not a colour[/]" in capsys.readouterr().out


def test_json_on_stdout_is_alone_there(kontrib: Command, world: World) -> None:
    world.populate(3)
    kontrib("genesis", "--first-week", "2024-W50")
    shown = kontrib.json("run", "2024-W50", "--inline")
    assert shown["exit_code"] == 0
    assert "paying" in kontrib.err


def test_a_name_that_is_not_utf8_can_be_printed_and_read_as_json() -> None:
    script = (
        "from worker.cli import write_anything\n"
        "from worker.cli.console import emit\n"
        "write_anything()\n"
        "emit({'folder': '/b\\udcff'}, as_json=True, render=print)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert json.loads(done.stdout) == {"folder": "/b\udcff"}
