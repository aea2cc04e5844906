"""Two implementations prove the format: one writes the files, and the other verifies them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.proof.bundles import Bundle, bundle_of, vector_named
from tests.verifier.node import run_verifier
from worker.core.plan.commitment import canonical_json
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.core.week import Week

NAMES = ["plan-v1", "plan-v1-empty", "plan-v1-on-top", "plan-v1-waived"]


def written(bundle: Bundle, folder: Path) -> str:
    (folder / MANIFEST_FILE).write_bytes(bundle.manifest)
    (folder / PAYOUTS_FILE).write_bytes(bundle.payouts)
    (folder / PLAN_FILE).write_bytes(bundle.plan)
    return str(folder)


@pytest.mark.parametrize("name", NAMES)
def test_javascript_verifies_the_bundle_of_every_vector(name: str, tmp_path: Path) -> None:
    vector = vector_named(name)
    void = frozenset({1}) if name == "plan-v1" else frozenset[int]()
    done = run_verifier(written(bundle_of(vector, void=void), tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"VERIFIED in itself: {Week.parse(vector['week']).label}, " in done.stdout
    assert f", root {vector['root']}" in done.stdout


def changed_line(content: bytes, number: int, key: str, value: Any) -> bytes:
    lines = content.splitlines()
    lines[number] = canonical_json(json.loads(lines[number]) | {key: value})
    return b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("file", "number", "key", "value", "named"),
    [
        ("plan", 1, "amount", "919073281902", "plan.jsonl line 2"),
        ("plan", 1, "points", "541", "plan.jsonl line 2"),
        ("plan", 1, "weight", "540000001", "plan.jsonl line 2"),
        ("plan", 1, "wallet", "HN4VdQK1si4sLgMCpZTioJEbHQCzkP75pHD93GeeAiUX", "00000"),
        ("plan", 0, "cutoff", "1", "the root"),
        ("plan", 0, "total_amount", "1", "total_amount"),
        ("payouts", 0, "state", "void", "payouts.jsonl line 1"),
        ("payouts", 0, "amount", "1", "payouts.jsonl line 1"),
        ("payouts", 0, "root", "00" * 32, "2024-12-09/00000"),
        ("payouts", 4, "amount", "1", "payouts.jsonl line 5"),
        ("manifest", 0, "anchor_slot", "1", "checksum"),
    ],
)
def test_javascript_finds_and_names_what_was_changed(
    tmp_path: Path, file: str, number: int, key: str, value: str, named: str
) -> None:
    bundle = bundle_of(vector_named("plan-v1"), void=frozenset({1}))
    content = changed_line(getattr(bundle, file), number, key, value)
    forged = replace(bundle, **{file: content})
    sealed = forged if file == "manifest" else forged.sealed()
    done = run_verifier(written(sealed, tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert named in done.stdout


def test_javascript_refuses_what_is_not_canonical(tmp_path: Path) -> None:
    bundle = bundle_of(vector_named("plan-v1"))
    spaced = bundle.plan.replace(b'{"amount"', b'{ "amount"', 1)
    done = run_verifier(written(replace(bundle, plan=spaced).sealed(), tmp_path))
    assert done.returncode == 1
    assert "not in canonical form" in done.stdout
