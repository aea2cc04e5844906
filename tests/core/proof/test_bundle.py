"""A sound bundle is verified, and every changed character is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.core.proof.bundles import Bundle, bundle_of, lines_of, vector_named
from worker.core.findings import Outcome
from worker.core.plan.commitment import Header, Row, SealBuilder, canonical_json
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.proof.verify_files import VerifiedFiles, verify_files

NAMES = ["plan-v1", "plan-v1-empty", "plan-v1-on-top", "plan-v1-waived"]


def a_bundle() -> Bundle:
    return bundle_of(vector_named("plan-v1"), void=frozenset({1}))


def findings(audit: VerifiedFiles) -> str:
    return "\n".join(str(finding) for check in audit.checks for finding in check.findings)


@pytest.mark.parametrize("name", NAMES)
def test_the_bundle_of_every_vector_holds(name: str) -> None:
    audit = bundle_of(vector_named(name)).audit()
    assert audit.outcome is Outcome.OK, findings(audit)
    assert audit.root.hex() == vector_named(name)["root"]


def test_a_void_batch_whose_rows_were_paid_alone_holds() -> None:
    audit = a_bundle().audit()
    assert audit.outcome is Outcome.OK, findings(audit)
    assert len(audit.payouts.singles) == 4


def test_every_line_reads_back_as_it_was_written() -> None:
    bundle = a_bundle()
    assert Manifest.parse(bundle.manifest).canonical() + b"\n" == bundle.manifest
    for line in bundle.payouts.splitlines():
        assert PayoutLine.parse(line, "here").canonical() == line


# --- every field changed, with the old manifest -------------------------------------------------


def changed(text: str) -> str:
    """The value with one character replaced by another character of the same kind."""
    if not text:
        return "1"
    old = text[-1]
    if old.isdigit():
        return text[:-1] + str((int(old) + 1) % 10)
    return text[:-1] + ("b" if old == "a" else "a")


def fields_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every text in a JSON value."""
    if isinstance(value, str):
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in () if isinstance(value, str) else entries:
        yield from fields_of(inner, (*path, key))


def with_change(line: bytes, path: tuple[Any, ...]) -> bytes:
    value = json.loads(line)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = changed(inner[path[-1]])
    return canonical_json(value)


def file_names() -> dict[str, str]:
    return {MANIFEST_FILE: "manifest", PAYOUTS_FILE: "payouts", PLAN_FILE: "plan"}


def mutations() -> Iterator[Any]:
    """Each field of each line of each file."""
    bundle = a_bundle()
    for name, attribute in file_names().items():
        lines = getattr(bundle, attribute).splitlines()
        for number, line in enumerate(lines):
            for path in fields_of(json.loads(line)):
                label = f"{name}:{number + 1}:{'.'.join(map(str, path))}"
                yield pytest.param(name, number, path, id=label)


@pytest.mark.parametrize(("name", "number", "path"), list(mutations()))
def test_a_changed_digit_is_found_and_named(name: str, number: int, path: tuple[Any, ...]) -> None:
    bundle, attribute = a_bundle(), file_names()[name]
    lines = getattr(bundle, attribute).splitlines()
    lines[number] = with_change(lines[number], path)
    content = b"".join(line + b"\n" for line in lines)
    audit = replace(bundle, **{attribute: content}).audit()
    assert audit.outcome is Outcome.WRONG
    assert name in findings(audit)


# --- contradictions in the files, with a fitting manifest ----------------------------------


UNSEEN_IN_THE_FILES = {"signature", "slot"}
"""Only the chain can reveal these changes; see tests/services/proof/test_verify.py."""


def consistent_mutations() -> Iterator[Any]:
    bundle = a_bundle()
    for attribute in ("payouts", "plan"):
        lines = getattr(bundle, attribute).splitlines()
        for number, line in enumerate(lines):
            for path in fields_of(json.loads(line)):
                hidden = path[0] in UNSEEN_IN_THE_FILES
                hidden |= path[0] == "wallet" and attribute == "payouts" and b"/u/" in line
                if not hidden:
                    label = f"{attribute}:{number + 1}:{'.'.join(map(str, path))}"
                    yield pytest.param(attribute, number, path, id=label)


@pytest.mark.parametrize(("attribute", "number", "path"), list(consistent_mutations()))
def test_a_forged_manifest_hides_no_change(
    attribute: str, number: int, path: tuple[Any, ...]
) -> None:
    bundle = a_bundle()
    lines = getattr(bundle, attribute).splitlines()
    lines[number] = with_change(lines[number], path)
    content = b"".join(line + b"\n" for line in lines)
    audit = replace(bundle, **{attribute: content}).sealed().audit()
    assert audit.outcome is Outcome.WRONG
    assert findings(audit)


def rewrite(bundle: Bundle, change: Callable[[list[Row]], list[Row]], **header: Any) -> Bundle:
    """A changed plan with fitting roots and manifest. Only arithmetic can reveal it."""
    lines = bundle.plan.splitlines()
    rows = change([Row.parse(line) for line in lines[1:]])
    new_header = replace(Header.parse(lines[0]), **header)
    builder = SealBuilder(new_header)
    for row in rows:
        builder.add(row)
    seal = builder.seal()
    payouts = [PayoutLine.parse(line, "") for line in bundle.payouts.splitlines()]
    for index, root in enumerate(seal.batch_roots):
        payouts[index] = replace(payouts[index], root=root)
    manifest = replace(Manifest.parse(bundle.manifest), root=seal.root, held_root=seal.held_root)
    return Bundle(
        manifest.canonical() + b"\n",
        b"".join(line.canonical() + b"\n" for line in payouts),
        b"".join(part + b"\n" for part in [new_header.canonical(), *(r.canonical() for r in rows)]),
    ).sealed()


def test_an_untouched_rewrite_holds() -> None:
    audit = rewrite(a_bundle(), lambda rows: rows).audit()
    assert audit.outcome is Outcome.OK, findings(audit)


def test_one_base_unit_moved_between_two_users_is_named() -> None:
    def move(rows: list[Row]) -> list[Row]:
        first, second, *rest = rows
        taken = replace(first, amount=first.amount - 1)  # type: ignore[arg-type]
        given = replace(second, amount=second.amount + 1)  # type: ignore[arg-type]
        return [taken, given, *rest]

    text = findings(rewrite(a_bundle(), move).audit())
    assert f"{PLAN_FILE} line 2" in text
    assert f"{PLAN_FILE} line 3" in text


def test_a_multiplier_below_one_or_broken_is_named() -> None:
    def weigh(rows: list[Row]) -> list[Row]:
        return [replace(rows[0], weight=rows[0].weight - 1), *rows[1:]]

    audit = rewrite(a_bundle(), weigh).audit()
    assert "is not 540 points times a multiplier" in findings(audit)


def test_points_below_the_rules_minimum_are_named() -> None:
    def poor(rows: list[Row]) -> list[Row]:
        return [replace(rows[0], points=1, weight=1_000_000), *rows[1:]]

    assert "1 points are below the 10 of the rules" in findings(rewrite(a_bundle(), poor).audit())


def test_rows_in_another_order_are_named() -> None:
    text = findings(rewrite(a_bundle(), lambda rows: [rows[1], rows[0], *rows[2:]]).audit())
    assert "is not in ascending order, or is repeated" in text


def test_a_waived_floor_that_was_not_needed_is_named() -> None:
    audit = rewrite(a_bundle(), lambda rows: rows, floor_waived=True).audit()
    assert "floor_waived is True, expected False" in findings(audit)


@pytest.mark.parametrize(
    "counts",
    [{"rewards": 10**12}, {"batch_size": 0}, {"held": -1}, {"batches": 10**9, "batch_size": 1}],
)
def test_counts_that_cannot_be_true_end_the_check_at_once(counts: dict[str, int]) -> None:
    bundle = a_bundle()
    lines = bundle.plan.splitlines()
    header = replace(Header.parse(lines[0]), **counts)  # type: ignore[arg-type]
    plan = b"".join(line + b"\n" for line in [header.canonical(), *lines[1:]])
    assert replace(bundle, plan=plan).sealed().audit().outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lines: lines[1:], "stands where 2024-12-09/00000 must be"),
        (lambda lines: [*lines, lines[-1]], "a second time"),
        (lambda lines: [lines[0], lines[0], *lines[2:]], "stands where 2024-12-09/00001 must be"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "is not in order"),
    ],
)
def test_payouts_that_are_missing_or_doubled_are_named(
    change: Callable[[list[bytes]], list[bytes]], named: str
) -> None:
    bundle = a_bundle()
    payouts = b"".join(line + b"\n" for line in change(bundle.payouts.splitlines()))
    assert named in findings(replace(bundle, payouts=payouts).sealed().audit())


def test_a_reward_paid_alone_beside_its_batch_is_named() -> None:
    bundle = a_bundle()
    lines = [PayoutLine.parse(line, "") for line in bundle.payouts.splitlines()]
    paid = replace(lines[1], state=lines[0].state, amount=lines[0].amount)
    payouts = b"".join(it.canonical() + b"\n" for it in [lines[0], paid, *lines[2:]])
    text = findings(replace(bundle, payouts=payouts).sealed().audit())
    assert "paid alone although its batch 2024-12-09/00001 is paid, not void" in text


@pytest.mark.parametrize("tail", [b"\n", b"\r\n", b"x", b"{}\n"])
def test_what_follows_the_last_line_is_found(tail: bytes) -> None:
    bundle = a_bundle()
    for attribute in ("plan", "payouts"):
        content = getattr(bundle, attribute) + tail
        assert replace(bundle, **{attribute: content}).sealed().audit().outcome is Outcome.WRONG


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[1]\n", b'{"bundle":"2"}\n', b"\xff\n"])
def test_no_manifest_is_named(content: bytes) -> None:
    audit = replace(a_bundle(), manifest=content).audit()
    assert MANIFEST_FILE in findings(audit)


def test_a_line_without_its_end_is_named() -> None:
    bundle = a_bundle()
    audit = replace(bundle, plan=bundle.plan[:-1]).sealed().audit()
    assert f"{PLAN_FILE} line 12: has no line end" in findings(audit)


def test_multipliers_that_are_no_tier_are_named() -> None:
    bundle = a_bundle()
    files = (bundle.manifest, lines_of(bundle.payouts), lines_of(bundle.plan))
    tiers = [1_100_000, 1_300_000, 1_600_000, 2_000_000]
    assert verify_files(*files, tiers).outcome is Outcome.OK
    text = findings(verify_files(*files, tiers[1:]))
    assert "2 rows have the multiplier 1.1, which is not a tier" in text
