"""Files of contributions with any damage: nothing crashes, and nothing is lost without a word."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.cli.conftest import Command
from tests.cli.fuzz.damage import (
    LAYOUTS,
    PACKERS,
    Damage,
    contributions_in_a_layout,
    records_in_a_layout,
    survive,
)
from tests.fakes.world import World, store_of
from worker.adapters.mongo.schema.seeds import CONFIG

FILES, RECORDS_MAX = 1_000, 25
DESCRIPTIONS = ("plain", "a, b; c", 'it is "quoted"', "two\nlines", '{"a": 1}, {', "é✓", "\\")


def contribution(number: int, damage: Damage) -> dict[str, Any]:
    return {
        "_id": f"{number:024x}",
        "user_id": f"user {number}",
        "type": "review",
        "created_at": "2024-12-11T10:00:00Z",
        "description": damage.random.choice(DESCRIPTIONS),
        "metadata": {"list": [{"a": 1}, {"b": "}"}], "seen": {"$date": "2024-12-11T10:00:00Z"}},
    }


def test_imports_name_what_they_lose(kontrib: Command, world: World, tmp_path: Path) -> None:
    damage, path, number = Damage(1), tmp_path / "contributions", 0
    judged: Counter[str] = Counter()
    state = store_of(world.first).state
    for _ in range(FILES):
        state.users.clear()  # or every import would count those of all files before
        state.contributions.clear()
        count = damage.random.randint(1, RECORDS_MAX)
        made = [contribution(number + each, damage) for each in range(count)]
        number += count
        layout = damage.random.choice(LAYOUTS)
        content = damage.bytes(contributions_in_a_layout(made, layout))
        chance = damage.random.random()
        if chance < 0.1:
            packed = damage.random.choice(PACKERS)(content)
            content = damage.bytes(packed) if chance < 0.05 else packed
        elif chance < 0.2:
            encoding = damage.random.choice(["utf-16", "utf-16-le", "utf-32", "cp1252"])
            content = content.decode(errors="replace").encode(encoding, errors="replace")
        path.write_bytes(content)
        code = survive(kontrib, "import", str(path), "--create-users", "--json")
        if kontrib.out:
            records = zip(made, records_in_a_layout(made, layout), strict=True)
            parts = content.split(b"\n") if layout == "lines" else content
            left = {each["user_id"] for each, record in records if record in parts}
            _check(json.loads(kontrib.out), code, world, left, layout)
            judged[layout] += len(left)
        else:
            assert code == 2
    # Every layout was judged by many contributions that the damage left as they were.
    assert min(judged[layout] for layout in LAYOUTS) > 50, judged


def _check(shown: dict[str, Any], code: int, world: World, left: set[str], layout: str) -> None:
    """`left`: the users of contributions that the damage left as they were."""
    counted = shown["added"] + shown["already_there"] + shown["malformed_count"]
    assert shown["lines"] == counted
    assert len(shown["malformed"]) == min(counted, shown["malformed_count"])
    stored = {d["user_id"] for d in store_of(world.first).state.contributions.values()}
    lost = left - stored
    if shown["malformed_count"]:
        assert code == 1
        # A damaged header, quote or bracket takes whole records along, and is named where it
        # begins; between lines of JSON nothing can.
        assert not lost or layout != "lines", (lost, shown["malformed"])
    else:
        assert not lost


def test_lines_that_are_whole_are_imported_whatever_stands_beside_them(
    kontrib: Command, world: World, tmp_path: Path
) -> None:
    damage, path, number = Damage(2), tmp_path / "contributions.jsonl", 0
    state = store_of(world.first).state
    for _ in range(120):
        state.contributions.clear()
        lines, whole = [], []
        for _ in range(20):
            number += 1
            made = contribution(number, damage)
            line = json.dumps(made).encode()
            if damage.random.random() < 0.5:
                line = damage.bytes(line).replace(b"\n", b"").replace(b"\r", b"")
            else:
                whole.append(made["user_id"])
            lines.append(line)
        path.write_bytes(b"\n".join(lines))
        survive(kontrib, "import", str(path), "--json")
        if kontrib.out:
            stored = {each["user_id"] for each in state.contributions.values()}
            named = {each["line"] for each in json.loads(kontrib.out)["malformed"]}
            assert set(whole) <= stored, (named, path.read_bytes())


def test_histories_and_rules_to_simulate(kontrib: Command, tmp_path: Path) -> None:
    damage, history, rules = Damage(3), tmp_path / "history", tmp_path / "rules.json"
    config = {name: value for name, value in CONFIG.items() if not name.endswith("_at")}
    whole = json.dumps(config).encode()
    for each in range(120):
        made = [contribution(each * 5 + number, damage) for number in range(5)]
        content = contributions_in_a_layout(made, damage.random.choice(LAYOUTS))
        if each % 2:
            history.write_bytes(damage.bytes(content))
            rules.write_bytes(whole)
        else:
            history.write_bytes(content)
            odd = damage.document(config) if each % 4 else None
            rules.write_bytes(
                damage.bytes(whole) if odd is None else json.dumps(odd, default=str).encode()
            )
        survive(kontrib, "simulate", str(history), "--rules", str(rules))
