"""The permanent plan format: every value of the test vectors, from the core and from a second
implementation that shares no code with it (reference.py)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import reference
from tests.core.strategies import Split, a_header, a_row, splits
from worker.core.identity import canonical_user_id, plan_salt, user_commitment, user_salt
from worker.core.money import BaseUnits
from worker.core.plan.allocation import Policy, StakingBonus, allocate
from worker.core.plan.commitment import Header, Row, Seal, SealBuilder, prove_row
from worker.core.plan.memo import AnchorMemo, GenesisMemo
from worker.core.plan.merkle import leaf_hash, root_from_path
from worker.core.plan.receipts import anchor_ids, genesis_ids, receipt_seed, single_id
from worker.core.week import Week

FOLDER = Path(__file__).parents[1] / "vectors"
NAMES = ["plan-v1", "plan-v1-empty", "plan-v1-on-top", "plan-v1-waived"]  # four weeks in a row
Vector = dict[str, Any]


def vector_named(name: str) -> Vector:
    return json.loads((FOLDER / f"{name}.json").read_text())


@pytest.fixture(params=NAMES)
def vector(request: pytest.FixtureRequest) -> Vector:
    return vector_named(request.param)


def file_of(vector: Vector) -> bytes:
    return "".join(f"{line}\n" for line in [vector["header"], *vector["rows"]]).encode()


def seal_of(vector: Vector) -> Seal:
    builder = SealBuilder(Header.parse(vector["header"].encode()))
    for line in vector["rows"]:
        builder.add(Row.parse(line.encode()))
    return builder.seal()


def ids_of(vector: Vector) -> list[str]:
    """The ids of all possible receipts of the plan."""
    week, header = Week.parse(vector["week"]), Header.parse(vector["header"].encode())
    ids = [*anchor_ids(week, bytes.fromhex(vector["root"]))]
    ids += [str(header.batch_id(index)) for index in range(header.batches)]
    ids += [single_id(week, Row.parse(line.encode()).user) for line in vector["rows"]]
    if vector["week"] == vector["first_week"]:
        ids = [*genesis_ids(vector["cluster_genesis"], vector["mint"], week), *ids]
    return ids


def test_no_vector_is_left_unread() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)


# --- the core ----------------------------------------------------------------------------------


def test_the_core_makes_the_salts_and_commitments(vector: Vector) -> None:
    salt = plan_salt(bytes.fromhex(vector["receipt_secret"]), Week.parse(vector["week"]))

    assert salt.hex() == vector["plan_salt"]
    for user in vector["users"]:
        assert canonical_user_id(user["given_id"]) == user["id"]
        assert user_salt(salt, user["id"]).hex() == user["salt"]
        assert user_commitment(salt, user["id"]).hex() == user["commitment"]


def test_the_core_makes_the_amounts(vector: Vector) -> None:
    users = sorted(vector["users"], key=lambda user: user["commitment"])
    rules = json.loads(vector["header"])["rules"]
    policy = Policy(
        BaseUnits(int(rules["pool"])),
        BaseUnits(int(rules["min_amount"])),
        StakingBonus(rules["staking_bonus"]),
    )

    result = allocate(
        [int(user["points"]) for user in users], [int(user["multiplier"]) for user in users], policy
    )

    rows = sorted(map(json.loads, vector["rows"]), key=lambda row: row["user"])
    assert [str(amount) for amount in result.amounts] == [row["amount"] for row in rows]
    assert str(result.lifted) == vector["lifted"]
    assert result.floor_waived == (json.loads(vector["header"])["floor_waived"] == "true")


def test_the_core_reads_and_writes_every_line(vector: Vector) -> None:
    header = vector["header"].encode()

    assert Header.parse(header).canonical() == header
    assert leaf_hash(header).hex() == vector["header_leaf"]
    for line in vector["rows"]:
        assert Row.parse(line.encode()).canonical() == line.encode()


def test_the_core_makes_the_roots(vector: Vector) -> None:
    seal = seal_of(vector)

    assert [root.hex() for root in seal.batch_roots] == vector["batch_roots"]
    assert seal.held_root.hex() == vector["held_root"]
    assert seal.root.hex() == vector["root"]


def test_the_core_makes_the_receipts(vector: Vector) -> None:
    receipts = vector["receipts"]

    assert [receipt["id"] for receipt in receipts] == ids_of(vector)
    assert all(receipt_seed(receipt["id"]) == receipt["seed"] for receipt in receipts)


def test_the_core_makes_the_memos(vector: Vector) -> None:
    header, memos = Header.parse(vector["header"].encode()), dict(vector["memos"])

    anchor = AnchorMemo.of(header, bytes.fromhex(vector["root"]))
    assert anchor.text() == memos.pop("anchor")
    if memos:
        genesis = GenesisMemo(Week.parse(vector["first_week"]), vector["mint"])
        assert memos == {"genesis": genesis.text()}


def test_the_core_makes_the_proof(vector: Vector) -> None:
    wanted = vector.get("proof")
    if wanted is None:
        assert vector["rows"] == []
        return
    part, index = int(wanted["part"]) - 1, int(wanted["index_in_part"])
    header = json.loads(vector["header"])
    lines = reference.parts(header, [line.encode() for line in vector["rows"]])[part]

    proof = prove_row(seal_of(vector), part, [Row.parse(line) for line in lines], index)

    assert proof.root().hex() == vector["root"]
    assert proof.row.decode() == wanted["row"]
    assert [step.hex() for step in proof.row_path] == wanted["row_path"]
    assert [step.hex() for step in proof.part_path] == wanted["part_path"]
    assert (str(proof.part_size), str(proof.parts)) == (wanted["part_size"], wanted["parts"])
    part_root = root_from_path(proof.row, index, proof.part_size, proof.row_path)
    assert part_root.hex() == [*vector["batch_roots"], vector["held_root"]][part]


# --- the second implementation -----------------------------------------------------------------


def test_the_reference_agrees_on_salts_and_commitments(vector: Vector) -> None:
    secret = bytes.fromhex(vector["receipt_secret"])
    salt = reference.hmac_sha256(secret, f"kontrib/1/salt/{vector['week']}".encode())

    assert salt.hex() == vector["plan_salt"]
    for user in vector["users"]:
        own = reference.user_salt(secret, vector["week"], user["id"])
        assert own.hex() == user["salt"]
        assert reference.commitment(own, user["id"]).hex() == user["commitment"]


def test_the_reference_accepts_the_file_and_agrees_on_its_root(vector: Vector) -> None:
    content = file_of(vector)

    assert reference.check_file(content).hex() == vector["root"]
    assert reference.sha256(content).hex() == vector["file_sha256"]
    assert vector["file"] == f"{vector['week']}/{vector['root']}.jsonl"


def test_the_reference_agrees_on_the_roots_of_the_parts(vector: Vector) -> None:
    lines = [line.encode() for line in vector["rows"]]

    roots = [reference.tree(part).hex() for part in reference.parts(_header(vector), lines)]

    assert roots == [*vector["batch_roots"], vector["held_root"]]
    assert reference.sha256(b"\x00" + vector["header"].encode()).hex() == vector["header_leaf"]


def test_the_reference_agrees_on_seeds_and_addresses(vector: Vector) -> None:
    key = bytes.fromhex(vector["receipt_key_bytes"])

    assert reference.base58(key) == vector["receipt_key"]
    for receipt in vector["receipts"]:
        assert reference.seed(receipt["id"]) == receipt["seed"]
        assert reference.base58(reference.address(key, receipt["id"])) == receipt["address"]


def test_the_reference_agrees_on_the_memos(vector: Vector) -> None:
    header = _header(vector)
    anchor = {
        name: header[name]
        for name in ("batch_size", "batches", "cutoff", "mint", "previous_root", "rewards", "week")
    }
    anchor |= {"kontrib": "1", "root": vector["root"], "total": header["total_amount"]}
    genesis = {"first_week": vector["first_week"], "kontrib": "1", "mint": vector["mint"]}

    assert vector["memos"]["anchor"] == reference.canonical(anchor)
    assert vector["memos"].get("genesis", reference.canonical(genesis)) == reference.canonical(
        genesis
    )


def _header(vector: Vector) -> dict[str, Any]:
    return json.loads(vector["header"])


@given(splits(users_min=0), st.integers(1, 7), st.randoms())
def test_the_reference_accepts_whatever_plan_the_core_makes(split: Split, size: int, random):
    header, rows = _plan_of(split, size, [random.random() < 0.3 for _ in split.points])
    builder = SealBuilder(header)
    for row in rows:
        builder.add(row)

    content = b"".join(
        line + b"\n" for line in [header.canonical(), *(r.canonical() for r in rows)]
    )

    assert reference.check_file(content) == builder.seal().root


def _plan_of(split: Split, size: int, held: list[bool]) -> tuple[Header, list[Row]]:
    allocation = allocate(split.points, split.multipliers, split.policy)
    users = zip(held, split.points, split.multipliers, allocation.amounts, strict=True)
    rows = [
        a_row(i, wallet="" if hold else f"W{i}", points=p, weight=p * m, amount=amount)
        for i, (hold, p, m, amount) in enumerate(users)
    ]
    batched, kept = ([r for r in rows if r.wallet], [r for r in rows if not r.wallet])
    rules = {
        "pool": str(split.policy.pool),
        "min_amount": str(split.policy.floor),
        "staking_bonus": split.policy.staking_bonus.value,
    }
    header = a_header(
        payable=len(batched),
        held=len(kept),
        batch_size=size,
        rules=rules,
        total_points=sum(split.points),
        total_weight=sum(row.weight for row in rows),
        total_amount=allocation.total,
        floor_waived=allocation.floor_waived,
    )
    batched = [replace(r, batch=str(header.batch_id(i // size))) for i, r in enumerate(batched)]
    return header, batched + kept


# --- coverage of the vectors -------------------------------------------------------------------


def test_each_plan_names_the_root_of_the_one_before() -> None:
    chain = [vector_named(name) for name in NAMES]

    previous = [_header(vector)["previous_root"] for vector in chain]

    assert previous == ["", *(vector["root"] for vector in chain[:-1])]
    assert [Week.parse(v["week"]) for v in chain] == Week.parse(chain[0]["week"]).until(
        Week.parse(chain[-1]["week"])
    )


def test_the_vectors_hold_the_cases_that_are_easy_to_get_wrong() -> None:
    plan, waived, on_top = map(vector_named, ("plan-v1", "plan-v1-waived", "plan-v1-on-top"))
    header = _header(plan)

    assert (header["batches"], header["held"], plan["lifted"]) == ("3", "3", "3")
    assert int(header["batches"]) * int(header["batch_size"]) > int(header["rewards"]) - 3
    assert {"翻訳", "😀", "～"} < set(header["rules"]["base_points"])
    assert (_header(waived)["floor_waived"], _header(waived)["batches"]) == ("true", "0")
    assert int(_header(on_top)["total_amount"]) > int(_header(on_top)["rules"]["pool"])


def _sorted_by_utf16(value: dict[str, str]) -> list[str]:
    return sorted(value, key=lambda key: key.encode("utf-16-be"))


def test_the_order_of_keys_is_that_of_code_points_and_not_of_utf16() -> None:
    keys = _header(vector_named("plan-v1"))["rules"]["base_points"]

    assert list(keys) == sorted(keys)
    assert list(keys) != _sorted_by_utf16(keys)


TAMPERINGS = {
    "one unit moved between users": (b'"amount":"919073281901"', b'"amount":"919073281902"'),
    "another wallet": (b'"wallet":"', b'"wallet":"1'),
    "more points": (b'"points":"540"', b'"points":"541"'),
    "a space": (b'","batch"', b'", "batch"'),
    "another pool": (b'"pool":"10000000000000"', b'"pool":"10000000000001"'),
    "the floor waived": (b'"floor_waived":"false"', b'"floor_waived":"true"'),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_changed_file_is_refused_or_has_another_root(what: str) -> None:
    vector = vector_named("plan-v1")
    content = file_of(vector)
    changed = content.replace(*TAMPERINGS[what], 1)
    try:
        root = reference.check_file(changed).hex()
    except reference.WrongPlan:
        root = "refused"

    assert changed != content
    assert root != vector["root"]
