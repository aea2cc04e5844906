"""Lines of standard input and arguments of commands that record something."""

from __future__ import annotations

import io
import json
from itertools import chain
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.fuzz.damage import Damage, survive
from tests.fakes.world import World, store_of, user_id_of
from worker.cli.program import GROUPS

GUIDE = "607f1f77bcf86cd799439021"
RUNS, LINES = 36, 120


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


# ANY is any text; what stands beside it is what the command takes, so that each part is reached.
ANY = "ANY"
ARGUMENTS = (
    *(["genesis", "--first-week", ANY], ["genesis", "--first-week", "2024-W50", ANY]),
    *(["plan", ANY], ["approve", ANY], ["approve", "2024-W50", "--root", ANY], ["run", ANY]),
    *(["retry", ANY], ["retry", "2024-W50", "--rewallet", ANY, "--inline"]),
    ["retry", "2024-W50", "--rewallet", "ada", "--wallet", ANY, "--inline"],
    *(["pause", "--reason", ANY], ["hold", ANY, "2024-W50", "--reason", ANY], ["resume", ANY]),
    *(["hold", "ada", ANY, "--reason", "a"], ["release", ANY, "2024-W50"]),
    *(["void", "2024-W50", ANY, "--reason", "a"], ["void", ANY, "0", "--reason", ANY]),
    *(["user", ANY], ["user", "ada", "--history", "--after", ANY], ["user", "ada", "--limit", ANY]),
    ["user", "ada", "--contributions", "--after", ANY],
    *(["report", ANY], ["report", "--year", ANY], ["report", "--year", "2024", "--user", ANY]),
    *(["reconcile", ANY], ["check", ANY], ["publish", ANY, "DIR"], ["publish", "2024-W50", "DIR"]),
    *(["proof", ANY, "2024-W50"], ["proof", "ada", ANY], ["verify", "DIR", "--tiers", ANY]),
    *(["verify-proof", ANY], ["import", ANY], ["simulate", ANY], ["simulate", ANY, "--pool", ANY]),
    *(["recount", ANY], ["stakes", ANY], ["status", ANY], ["doctor", ANY], ["archive", ANY]),
    *(["stake", "ada", ANY, "--days", "90", "--tx", ANY], ["unstake", ANY, "--tx", ANY]),
    *(["stake", ANY, "10", "--days", ANY, "--tx", "a"], ["vote", ANY, "ada", "for"]),
    *(["vote", "507f1f77bcf86cd799439011", ANY, ANY], ["cancel", ANY], ["proposals", ANY]),
    *(["execute", ANY, "--tx", ANY], ["migrate", "set-aside", ANY], ["rebuild", ANY]),
    *(["rebuild", ANY, "--from-chain"], ["backup", "DIR", ANY], ["salts", "DIR", ANY]),
    ["metrics", "--port", ANY, ANY],
)
OTHERS = {"contribute", "propose", "restore"}
"""Their arguments have tests of their own."""


def test_every_command_gets_odd_arguments() -> None:
    assert {command[0] for command in ARGUMENTS} | OTHERS == set(chain(*GROUPS.values()))


def test_arguments_that_name_something(kontrib: Command, world: World, tmp_path: Path) -> None:
    damage = Damage(7)
    world.populate(3)
    world.genesis()
    world.run()
    for number in range(600):
        command = ARGUMENTS[number % len(ARGUMENTS)]
        known = {"ada": user_id_of("user 1"), "DIR": str(tmp_path / "bundle")}
        texts = [damage.text() if part == ANY else known.get(part, part) for part in command]
        survive(kontrib, *texts)


def _flat(options: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items()]
