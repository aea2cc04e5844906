"""Two implementations prove the format: one writes the files, and the other verifies them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.plan.test_vectors import FOLDER as VECTORS
from tests.core.plan.test_vectors import seal_of
from tests.core.proof import test_bundle
from tests.core.proof.bundles import Bundle, bundle_of, vector_named
from tests.verifier.node import FOLDER, run_node, run_verifier
from worker.core.plan.commitment import Row, canonical_json, prove_row
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE
from worker.core.proof.contributor_proof import ContributorProof
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


# --- every value of the vectors, and every field of a bundle ------------------------------------


def proofs_of(vector: dict[str, Any]) -> list[str]:
    """The proof of every row."""
    seal, rows = seal_of(vector), [Row.parse(line.encode()) for line in vector["rows"]]
    users = {user["commitment"]: user for user in vector["users"]}
    header, proofs = seal.header, []
    parts = [header.batch_positions(index) for index in range(header.batches)]
    for part, positions in enumerate([*parts, header.held_positions]):
        members = [rows[i] for i in positions]
        for index, row in enumerate(members):
            user = users[row.user.hex()]
            proof = ContributorProof(
                user_id=user["id"],
                salt=bytes.fromhex(user["salt"]),
                root=seal.root,
                receipt_key=vector["receipt_key"],
                cluster_genesis=vector["cluster_genesis"],
                row=prove_row(seal, part, members, index),
            )
            proofs.append(proof.canonical().decode())
    return proofs


@pytest.mark.parametrize("name", NAMES)
def test_javascript_computes_every_value_and_checks_every_proof(name: str, tmp_path: Path) -> None:
    proofs = proofs_of(vector_named(name))
    assert len(proofs) == len(vector_named(name)["rows"])
    (tmp_path / "proofs.json").write_text(json.dumps(proofs))
    arguments = (str(VECTORS / f"{name}.json"), str(tmp_path / "proofs.json"))
    done = run_node(FOLDER / "vectors.mjs", *arguments)
    assert done.stdout == "all equal\n", done.stderr


def test_javascript_finds_every_changed_field_even_with_a_forged_manifest() -> None:
    bundles = [test_bundle.a_bundle()]
    for mutation in test_bundle.mutations():
        name, number, path = mutation.values
        bundles.append(with_field(test_bundle.file_names()[str(name)], number, path))
    consistent = test_bundle.consistent_mutations()
    bundles += [with_field(*mutation.values).sealed() for mutation in consistent]
    names = {value: key for key, value in test_bundle.file_names().items()}
    files = [{names[it]: getattr(bundle, it).decode() for it in names} for bundle in bundles]
    done = run_node(FOLDER / "many.mjs", standard_input=json.dumps(files))
    sound, *changed = json.loads(done.stdout)
    assert sound == []
    assert len(changed) > 300
    assert all(changed)


def with_field(attribute: Any, number: Any, path: Any) -> Bundle:
    bundle = test_bundle.a_bundle()
    lines = getattr(bundle, attribute).splitlines()
    lines[number] = test_bundle.with_change(lines[number], path)
    return replace(bundle, **{attribute: b"".join(line + b"\n" for line in lines)})
