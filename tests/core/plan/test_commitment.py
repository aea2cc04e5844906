"""P6 and P8: the plan's canonical form and its root, and the effect of every change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import a_header, a_row, headers, rows, rows_of, texts
from worker.core.plan.commitment import (
    Header,
    MalformedPlan,
    PlanDoesNotMatchRoot,
    Row,
    Seal,
    SealBuilder,
    canonical_json,
    prove_row,
    rows_root,
)
from worker.core.plan.merkle import EMPTY_ROOT, merkle_root

LAYOUTS = list(product(range(10), range(5)))  # payable, held


def sealed(header: Header, plan_rows: list[Row]) -> Seal:
    builder = SealBuilder(header)
    for row in plan_rows:
        builder.add(row)
    return builder.seal()


def a_plan(payable: int, held: int, batch_size: int) -> tuple[Header, list[Row], Seal]:
    header = a_header(payable=payable, held=held, batch_size=batch_size)
    plan_rows = rows_of(header)
    return header, plan_rows, sealed(header, plan_rows)


def part_of(header: Header, plan_rows: list[Row], index: int) -> list[Row]:
    """Rows of batch `index`, or the held ones for the index after the last batch."""
    if index == header.batches:
        return [plan_rows[i] for i in header.held_positions]
    return [plan_rows[i] for i in header.batch_positions(index)]


# --- canonical text ----------------------------------------------------------------------------


@given(rows)
def test_a_row_survives_its_canonical_form(row: Row) -> None:
    assert Row.parse(row.canonical()) == row


@given(rows)
def test_a_rows_text_is_the_canonical_json_of_its_fields(row: Row) -> None:
    fields = {
        "user": row.user.hex(),
        "wallet": row.wallet,
        "points": str(row.points),
        "weight": str(row.weight),
        "amount": str(row.amount),
        "batch": row.batch,
    }

    assert row.canonical() == canonical_json(fields)


@given(headers)
def test_a_header_survives_its_canonical_form(header: Header) -> None:
    line = header.canonical()

    assert Header.parse(line) == header
    assert b"\n" not in line


@given(st.dictionaries(texts, texts, max_size=6))
def test_canonical_json_is_utf8_with_sorted_keys_and_no_spaces(value: dict[str, str]) -> None:
    text = canonical_json(value)
    keys = list(json.loads(text))

    assert json.loads(text) == value
    assert keys == sorted(keys, key=str.encode)
    assert all(word.encode() in text for word in value.values() if word.isalnum())


Change = Callable[[dict[str, Any]], object]


def _rewritten(line: bytes, change: Change) -> bytes:
    value = json.loads(line)
    change(value)
    return canonical_json(value)


NOT_CANONICAL: list[Callable[[bytes], bytes]] = [
    lambda line: line + b"\n",
    lambda line: b" " + line,
    lambda line: line.replace(b",", b", ", 1),
    lambda line: line.replace(b'":"', b'": "', 1),
    lambda line: line[:-1],
    lambda line: line + line,
    lambda line: line.decode().encode("utf-16"),
    lambda line: b"\xef\xbb\xbf" + line,
    lambda line: b"{" + b",".join(reversed(line[1:-1].split(b","))) + b"}",
    lambda line: line[:-1] + b',"zzz":"1"}',
    lambda line: b'{"a":"1",' + line[1:],
    lambda line: line[:-1] + b"," + line[1:],  # every key twice
    lambda line: b"",
    lambda line: b"null",
    lambda line: b"[]",
    lambda line: b'"text"',
    lambda line: b"7",
    lambda line: b"[" * 100_000,
    lambda line: b"\xff\xfe\xfd",
]


@pytest.mark.parametrize("spoil", NOT_CANONICAL)
def test_a_line_that_is_not_canonical_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedPlan):
        Row.parse(spoil(a_row(1).canonical()))
    with pytest.raises(MalformedPlan):
        Header.parse(spoil(a_header(rules={"pool": "1"}).canonical()))


ROW_CHANGES: list[Change] = [
    lambda row: row.update(amount=80),
    lambda row: row.update(amount="080"),
    lambda row: row.update(amount="+80"),
    lambda row: row.update(amount="8_0"),
    lambda row: row.update(amount=" 80"),
    lambda row: row.update(amount="80.0"),
    lambda row: row.update(amount="٨٠"),  # digits, but not ASCII
    lambda row: row.update(amount="9" * 5000),
    lambda row: row.update(user=row["user"].upper().replace("0", "A")),
    lambda row: row.update(user="00 " + row["user"][2:]),
    lambda row: row.update(user="xyz"),
    lambda row: row.update(user=None),
    lambda row: row.update(wallet=7),
    lambda row: row.update(wallet=None),
    lambda row: row.update(wallet='a"b'),
    lambda row: row.update(wallet='a","weight":"1'),
    lambda row: row.update(wallet="a\\b"),
    lambda row: row.update(batch=None),
    lambda row: row.pop("batch"),
    lambda row: row.pop("amount"),
]


@pytest.mark.parametrize("change", ROW_CHANGES)
def test_a_row_with_another_form_of_a_value_is_refused(change: Change) -> None:
    line = _rewritten(a_row(1).canonical(), change)

    with pytest.raises(MalformedPlan):
        Row.parse(line)


def test_a_missing_field_of_a_row_is_named() -> None:
    with pytest.raises(MalformedPlan, match=r"\('batch'\)"):
        Row.parse(_rewritten(a_row(1).canonical(), lambda row: row.pop("batch")))


HEADER_CHANGES: list[Change] = [
    lambda header: header.update(version="2"),
    lambda header: header.update(version=1),
    lambda header: header.pop("version"),
    lambda header: header.update(week="2024-W50"),
    lambda header: header.update(week="2024-12-10"),
    lambda header: header.update(week=7),
    lambda header: header.update(week=None),
    lambda header: header.update(floor_waived="False"),
    lambda header: header.update(floor_waived=True),
    lambda header: header.update(cutoff=1),
    lambda header: header.update(cutoff="01"),
    lambda header: header.update(previous_root="AB"),
    lambda header: header.update(previous_root=None),
    lambda header: header.update(mint=7),
    lambda header: header.update(rules=["pool"]),
    lambda header: header.pop("rules"),
    lambda header: header.pop("mint"),
]


@pytest.mark.parametrize("change", HEADER_CHANGES)
def test_a_header_with_another_form_of_a_value_is_refused(change: Change) -> None:
    line = _rewritten(a_header().canonical(), change)

    with pytest.raises(MalformedPlan):
        Header.parse(line)


def test_another_format_version_is_named() -> None:
    line = a_header().canonical().replace(b'"version":"1"', b'"version":"2"')

    with pytest.raises(MalformedPlan, match="format version 2 is not known"):
        Header.parse(line)


def test_a_line_in_another_form_is_named_so() -> None:
    for part, line in ((Row, a_row(1).canonical()), (Header, a_header().canonical())):
        with pytest.raises(MalformedPlan, match=r"\(not in canonical form\)"):
            part.parse(b" " + line)


def test_a_mint_and_rules_of_a_wrong_type_are_named() -> None:
    for change in ({"mint": 1}, {"rules": ["pool"]}):
        line = _rewritten(a_header().canonical(), lambda header, new=change: header.update(new))
        with pytest.raises(MalformedPlan, match=r"\(mint or rules of a wrong type\)"):
            Header.parse(line)


def test_half_a_character_is_refused_like_any_other_malformed_line() -> None:
    with pytest.raises(MalformedPlan):
        Row.parse(a_row(1).canonical().replace(b'"Wa11et1"', rb'"\ud800"'))
    with pytest.raises(MalformedPlan):
        Header.parse(a_header().canonical().replace(b'"pool"', rb'"\ud800"'))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    with pytest.raises(MalformedPlan):
        Row.parse(line)
    with pytest.raises(MalformedPlan):
        Header.parse(line)


# --- the seal ----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", range(1, 6))
def test_the_streamed_seal_is_the_defined_one(batch_size: int) -> None:
    for payable, held in LAYOUTS:
        header, plan_rows, seal = a_plan(payable, held, batch_size)

        batched, kept = plan_rows[:payable], plan_rows[payable:]
        batches = [batched[i : i + batch_size] for i in range(0, payable, batch_size)]
        roots = [merkle_root([row.canonical() for row in batch]) for batch in batches]
        held_root = merkle_root([row.canonical() for row in kept])
        assert seal == Seal(header, tuple(roots), held_root)
        assert seal.root == merkle_root([header.canonical(), *roots, held_root])
        assert len(seal.batch_roots) == header.batches


@pytest.mark.parametrize("batch_size", range(1, 6))
def test_positions_cover_every_row_once_and_name_its_batch(batch_size: int) -> None:
    for payable, held in LAYOUTS:
        header, plan_rows, seal = a_plan(payable, held, batch_size)

        covered = [p for i in range(header.batches) for p in header.batch_positions(i)]
        assert [*covered, *header.held_positions] == list(range(header.rewards))
        for index in range(header.batches):
            batch = part_of(header, plan_rows, index)
            assert {row.batch for row in batch} == {str(header.batch_id(index))}
            seal.check_batch(index, batch)
        seal.check_held(part_of(header, plan_rows, header.batches))


def test_an_empty_week_has_a_root_of_its_header_and_nothing() -> None:
    header, _, seal = a_plan(0, 0, 40)

    assert seal.batch_roots == ()
    assert seal.held_root == EMPTY_ROOT
    assert seal.root == merkle_root([header.canonical(), EMPTY_ROOT])


TAMPERINGS: list[Callable[[list[Row]], list[Row]]] = [
    lambda rows: rows[1:],
    lambda rows: rows[:-1],
    lambda rows: [],
    lambda rows: [*rows, a_row(99)],
    lambda rows: [*rows, rows[-1]],
    lambda rows: [rows[1], rows[0], *rows[2:]],
    lambda rows: [replace(rows[0], user=b"\xff" * 32), *rows[1:]],
    lambda rows: [replace(rows[0], wallet="Th1ef"), *rows[1:]],
    lambda rows: [replace(rows[0], points=rows[0].points + 1), *rows[1:]],
    lambda rows: [replace(rows[0], weight=rows[0].weight + 1), *rows[1:]],
    lambda rows: [replace(rows[0], amount=rows[0].amount + 1), *rows[1:]],
    lambda rows: [replace(rows[0], batch="2024-12-09/00009"), *rows[1:]],
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
@pytest.mark.parametrize("part", range(4))
def test_a_missing_extra_changed_or_moved_row_stops_its_part(part: int, tamper) -> None:
    header, plan_rows, seal = a_plan(payable=9, held=3, batch_size=3)
    tampered = tamper(part_of(header, plan_rows, part))
    check = seal.check_held if part == header.batches else partial(seal.check_batch, part)

    with pytest.raises(PlanDoesNotMatchRoot, match="was changed after planning") as raised:
        check(tampered)

    assert raised.value.what == (
        "The list of held rewards of 2024-W50" if part == 3 else f"Batch 2024-12-09/0000{part}"
    )


def test_rows_of_one_batch_do_not_pass_for_another() -> None:
    header, plan_rows, seal = a_plan(payable=6, held=3, batch_size=3)

    with pytest.raises(PlanDoesNotMatchRoot):
        seal.check_batch(0, part_of(header, plan_rows, 1))
    with pytest.raises(PlanDoesNotMatchRoot):
        seal.check_held(part_of(header, plan_rows, 1))


HEADER_FIELDS = [
    {"week": a_header().week.next()},
    {"cutoff": 1},
    {"previous_root": b"\x01" * 32},
    {"mint": "1nc1nerator11111111111111111111111111111111"},
    {"rules": {}},
    {"batch_size": 4},
    {"batches": 4},
    {"rewards": 13},
    {"held": 2},
    {"total_points": 0},
    {"total_weight": 0},
    {"total_amount": 0},
    {"floor_waived": True},
]


@pytest.mark.parametrize("change", HEADER_FIELDS)
def test_every_field_of_the_header_is_in_the_root(change: dict[str, Any]) -> None:
    _, _, seal = a_plan(payable=9, held=3, batch_size=3)

    assert replace(seal, header=replace(seal.header, **change)).root != seal.root


def test_no_field_of_the_header_was_forgotten_above() -> None:
    assert {name for change in HEADER_FIELDS for name in change} == set(Header.__slots__)


# --- proofs of single rows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payable", "held", "size"), [(1, 0, 1), (0, 1, 5), (7, 2, 3), (9, 3, 3), (5, 0, 2)]
)
def test_every_row_can_be_proven_and_no_other_in_its_place(payable, held, size) -> None:
    header, plan_rows, seal = a_plan(payable, held, size)

    for part in range(header.batches + 1):
        rows_here = part_of(header, plan_rows, part)
        for index, row in enumerate(rows_here):
            proof = prove_row(seal, part, rows_here, index)
            assert (proof.row, proof.header) == (row.canonical(), header.canonical())
            assert proof.root() == seal.root
            others = [other for other in plan_rows if other != row]
            assert all(replace(proof, row=o.canonical()).root() != seal.root for o in others)


@pytest.mark.parametrize("field", ["index_in_part", "part"])
def test_a_row_cannot_be_proven_at_another_place(field: str) -> None:
    header, plan_rows, seal = a_plan(payable=9, held=3, batch_size=3)
    proof = prove_row(seal, 1, part_of(header, plan_rows, 1), 1)
    here = getattr(proof, field)

    elsewhere = [replace(proof, **{field: i}).root() for i in range(-1, 12) if i != here]

    assert proof.root() == seal.root
    assert seal.root not in elsewhere


def test_a_proof_with_a_step_too_few_or_too_many_leads_nowhere() -> None:
    header, plan_rows, seal = a_plan(payable=9, held=3, batch_size=3)
    proof = prove_row(seal, 2, part_of(header, plan_rows, 2), 0)

    assert replace(proof, row_path=proof.row_path[:-1]).root() is None
    assert replace(proof, row_path=(*proof.row_path, b"\x00" * 32)).root() is None
    assert replace(proof, part_path=proof.part_path[1:]).root() is None


def test_the_root_of_rows_is_over_their_canonical_lines() -> None:
    plan_rows = [a_row(i) for i in range(5)]

    assert rows_root(iter(plan_rows)) == merkle_root([row.canonical() for row in plan_rows])


@pytest.mark.parametrize(("payable", "held"), LAYOUTS)
def test_every_position_is_in_one_batch_or_held(payable: int, held: int) -> None:
    header = a_header(payable=payable, held=held, batch_size=3)

    for position in range(header.rewards):
        batch = header.batch_of(position)
        if batch is None:
            assert position in header.held_positions
        else:
            assert position in header.batch_positions(batch)


def test_a_row_of_the_plan_with_another_header_proves_nothing() -> None:
    header, plan_rows, seal = a_plan(payable=3, held=0, batch_size=2)
    proof = prove_row(seal, 0, part_of(header, plan_rows, 0), 1)
    other = replace(header, total_points=header.total_points + 1)

    assert proof.root() == seal.root
    assert replace(proof, header=other.canonical()).root() is None
