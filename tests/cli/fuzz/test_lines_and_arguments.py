"""Lines of standard input and arguments of commands that record something."""

from __future__ import annotations

import io
import json

import pytest

from tests.cli.conftest import Command
from tests.cli.fuzz.damage import Damage, survive
from tests.fakes.world import World, store_of

GUIDE = "607f1f77bcf86cd799439021"
RUNS, LINES = 25, 120


@pytest.fixture
def ada(world: World) -> str:
    store_of(world.first).state.articles[GUIDE] = {"_id": GUIDE, "demand_score": 1.8}
    return world.add_user("ada")


def test_every_line_of_standard_input_has_an_answer(
    kontrib: Command, world: World, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage, recorded = Damage(4), 0
    for run in range(RUNS):
        lines = [_line(damage, ada, f"{run}-{number}") for number in range(LINES)]
        content = b"\n".join(lines)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        code = survive(kontrib, "contribute", "--stdin")
        answers = [json.loads(answer) for answer in kontrib.out.splitlines()]
        filled = [n for n, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
        assert [answer["line"] for answer in answers] == filled
        assert code == (0 if all(answer["ok"] for answer in answers) else 1)
        recorded += sum(answer["ok"] and answer["new"] for answer in answers)
    assert len(store_of(world.first).state.contributions) == recorded


def _line(damage: Damage, user: str, key: str) -> bytes:
    request = {"user": user, "article": GUIDE, "type": "review", "quality": 1.5, "key": key}
    request |= {"description": "text", "metadata": {"a": [1, {"b": None}]}}
    if damage.random.random() < 0.5:
        return damage.bytes(json.dumps(request).encode())
    name = damage.random.choice([*request, "another"])
    return json.dumps(request | {name: damage.json_value()}).encode()


def test_arguments_of_contribute(kontrib: Command, ada: str) -> None:
    damage = Damage(5)
    for _ in range(150):
        given = {"--user": ada, "--article": GUIDE, "--type": "review"}
        options = [*given, "--quality", "--description", "--metadata", "--key"]
        for option in damage.random.sample(options, 2):
            given[option] = damage.text()
        if damage.random.random() < 0.3:
            given["--metadata"] = json.dumps(damage.json_value())
        survive(kontrib, "contribute", *_flat(given))


def test_arguments_of_proposals(kontrib: Command, ada: str) -> None:
    damage = Damage(6)
    types = ["feature_request", "treasury_allocation", "parameter_change"]
    for _ in range(250):
        given = {"--by": ada, "--type": damage.random.choice(types)}
        options = ["--by", "--type", "--parameter", "--value", "--data", "--description"]
        options += ["--start", "--days", "--quorum"]
        if damage.random.random() < 0.5:
            names = ["weekly_pool", "min_points", "eligibility", "multipliers.quality"]
            given |= {"--type": "parameter_change", "--parameter": damage.random.choice(names)}
            given["--value"] = json.dumps(damage.json_value())
        for option in damage.random.sample(options, 2):
            given[option] = damage.text()
        if damage.random.random() < 0.3:
            given["--data"] = json.dumps(damage.json_value())
        survive(kontrib, "propose", *_flat(given), "--", damage.text())
    survive(kontrib, "proposals")
    survive(kontrib, "proposals", "--json")


def test_arguments_that_name_something(kontrib: Command, ada: str) -> None:
    damage = Damage(7)
    commands = (
        ["vote", "ID", ada, "for"],
        ["cancel", "ID"],
        ["execute", "ID", "--tx", "ID"],
        ["stake", ada, "ID", "--days", "90", "--tx", "ID"],
        ["stake", "ID", "10", "--days", "ID", "--tx", "a"],
        ["unstake", "ID", "--tx", "ID"],
        ["status", "ID"],
        ["plan", "ID"],
        ["genesis", "--first-week", "ID"],
        ["rewards", "ID"],
        ["hold", "2024-W50", "ID", "--reason", "ID"],
        ["release", "2024-W50", "ID"],
        ["proof", "ID", "2024-W50"],
        ["simulate", "ID"],
    )
    for _ in range(250):
        command = damage.random.choice(commands)
        survive(kontrib, *(damage.text() if part == "ID" else part for part in command))


def _flat(options: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items()]
