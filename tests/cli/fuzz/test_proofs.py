"""Bundles and proofs with any damage: each has a verdict, and no damage is verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.fuzz.damage import Damage, survive
from tests.fakes.world import World, user_id_of

FILES = ("manifest.json", "plan.jsonl", "payouts.jsonl")


@pytest.fixture
def published(world: World, kontrib: Command, tmp_path: Path) -> Path:
    world.populate(7)
    world.genesis()
    world.run()
    world.ledger.finalize()
    assert kontrib("publish", "2024-W50", str(tmp_path)) == 0, kontrib.err
    return tmp_path / "2024-12-09"


def test_damaged_bundles_do_not_hold(published: Path, kontrib: Command) -> None:
    damage = Damage(8)
    whole = {name: (published / name).read_bytes() for name in FILES}
    for _ in range(150):
        name = damage.random.choice(FILES)
        damaged = damage.bytes(whole[name])
        (published / name).write_bytes(damaged)
        code = survive(kontrib, "verify", str(published), "--json")
        assert code != 0 or damaged == whole[name]
        (published / name).write_bytes(whole[name])


def test_damaged_proofs_do_not_hold(published: Path, kontrib: Command, tmp_path: Path) -> None:
    damage, file = Damage(9), tmp_path / "proof.json"
    assert kontrib("proof", user_id_of("user 4"), "2024-W50", "--out", str(file)) == 0
    whole = file.read_bytes()
    for _ in range(250):
        damaged = damage.bytes(whole)
        file.write_bytes(damaged)
        code = survive(kontrib, "verify-proof", str(file))
        assert code != 0 or damaged.strip() == whole.strip()
