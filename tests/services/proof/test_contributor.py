"""Proofs that a row belongs to a contributor and to the anchored plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.core.proof.bundles import vector_named
from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.public_chain import FakePublicChain
from tests.fakes.world import WEEK, World, chain_of, sign_and_send, user_id_of
from worker.core.findings import Outcome
from worker.core.money import BaseUnits
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.commitment import Header, Row, Seal, canonical_json, prove_row
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.merkle import merkle_root
from worker.core.plan.receipts import Resolution, anchor_ids, single_id
from worker.core.proof.contributor_proof import ContributorProof
from worker.services.payout.override import NoSuchReward
from worker.services.proof.contributor_proof import (
    ProofVerification,
    make_proof,
    verify_proof,
    verify_proof_on_chain,
)

SIZE_MAX_BYTES = 4096


def proven(world: World, user: str = "user 4") -> bytes:
    """A closed week with a held reward, and one user's proof."""
    world.populate(7)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    world.run()
    world.ledger.finalize()
    return make_proof(world.first, WEEK, user_id_of(user)).canonical()


def on_chain(world: World, content: bytes) -> ProofVerification:
    verified = verify_proof(content)
    addresses = chain_of(world.first).public_addresses
    verify_proof_on_chain(verified, FakePublicChain(world.ledger, addresses))
    return verified


def text_of(verified: ProofVerification) -> str:
    return "\n".join(str(finding) for check in verified.checks for finding in check.findings)


def test_a_proof_tells_by_which_payment_a_row_was_paid(world: World) -> None:
    verified = on_chain(world, proven(world) + b"\n")
    assert verified.outcome is Outcome.OK, text_of(verified)
    payments = {landed.signature for landed in world.ledger.payments()}
    assert verified.signature in payments
    assert f"Paid to {wallet_named('user 4')} by {verified.signature}" in verified.sentence()


def test_a_proof_holds_without_any_chain(world: World) -> None:
    verified = verify_proof(proven(world))
    assert verified.outcome is Outcome.OK
    assert "--rpc URL" in verified.sentence()


def test_a_held_reward_is_proven_too(world: World) -> None:
    verified = on_chain(world, proven(world, "ghost"))
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert verified.sentence().endswith("It is held, and not paid yet.")


def test_who_has_no_reward_has_no_proof(world: World) -> None:
    proven(world)
    with pytest.raises(NoSuchReward):
        make_proof(world.first, WEEK, "nobody")


def test_a_proof_opens_no_other_row(world: World) -> None:
    content = proven(world).decode()
    for other in ("user 0", "user 1", "ghost"):
        assert user_id_of(other) not in content


def _fields(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, str):
        return [path]
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    return [found for key, inner in entries for found in _fields(inner, (*path, key))]


def _changed(text: str) -> str:
    last = text[-1:] or "0"
    other = str((int(last) + 1) % 10) if last.isdigit() else ("b" if last == "a" else "a")
    return text[:-1] + other


def test_a_changed_character_in_any_field_is_found(world: World) -> None:
    content = proven(world)
    for path in _fields(json.loads(content)):
        value = json.loads(content)
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = _changed(inner[path[-1]])
        verified = on_chain(world, canonical_json(value))
        if path == ("receipt_key",):
            # The caller chooses the receipt key. A proof for another key proves nothing here.
            continue
        assert verified.outcome is not Outcome.OK, path
        assert text_of(verified), path


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: replace(proof, user_id=user_id_of("user 1")),
        lambda proof: replace(proof, salt=bytes(32)),
        lambda proof: replace(proof, row=replace(proof.row, part=proof.row.part + 1)),
        lambda proof: replace(proof, row=replace(proof.row, part=10**9)),
        lambda proof: replace(proof, row=replace(proof.row, row_path=())),
        lambda proof: replace(proof, row=replace(proof.row, row=b"{}")),
    ],
)
def test_a_forged_proof_is_refused(
    world: World, change: Callable[[ContributorProof], ContributorProof]
) -> None:
    proof = ContributorProof.parse(proven(world))
    assert verify_proof(change(proof).canonical()).outcome is Outcome.WRONG


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"proof":"9"}', b"\xff"])
def test_what_is_no_proof_is_refused(content: bytes) -> None:
    verified = verify_proof(content)
    assert verified.outcome is Outcome.WRONG
    assert "the proof" in text_of(verified)


def test_a_plan_that_was_never_anchored_is_refused_by_the_chain(world: World) -> None:
    proof = ContributorProof.parse(proven(world))
    seal = Seal(Header.parse(proof.row.header), (), bytes(32))
    forged = replace(proof, root=hashlib.sha256(seal.root).digest())
    assert f"/root/{forged.root.hex()}" in text_of(on_chain(world, forged.canonical()))


def forged_by_the_operator(world: World) -> ContributorProof:
    """A proof of half the amount. The root receipt of its plan was made afterwards."""
    vouched = ContributorProof.parse(proven(world, "ghost"))
    header, row = Header.parse(vouched.row.header), Row.parse(vouched.row.row)
    assert header.held == 1
    half = replace(row, amount=BaseUnits(row.amount // 2))
    roots = tuple(bytes([index]) * 32 for index in range(header.batches))
    seal = Seal(header, roots, merkle_root([half.canonical()]))
    sign_and_send(
        world, Intent(anchor_ids(WEEK, seal.root)[1:], Resolution.PAID, memo=memo_of(seal))
    )
    return replace(vouched, root=seal.root, row=prove_row(seal, header.batches, [half], 0))


def memo_of(seal: Seal) -> str:
    return AnchorMemo.of(seal.header, seal.root).text()


def test_a_root_receipt_that_was_made_after_the_anchor_is_no_anchor(world: World) -> None:
    content = forged_by_the_operator(world).canonical()
    assert verify_proof(content).outcome is Outcome.OK
    verified = on_chain(world, content)
    assert verified.outcome is Outcome.WRONG
    assert "the transaction of its receipt is" in text_of(verified)
    assert "the memo is" in text_of(verified)


def test_a_payment_that_stands_for_another_reward_pays_nothing(world: World) -> None:
    content = proven(world, "ghost")
    row = Row.parse(ContributorProof.parse(content).row.row)
    other, own = (single_id(WEEK, user) for user in (bytes(32), row.user))
    world.open_account("ghost")
    transfer = Transfer(wallet_named("ghost"), row.amount)
    sign_and_send(world, Intent((other, own), Resolution.PAID, (transfer,), memo=other))
    verified = on_chain(world, content)
    assert verified.outcome is Outcome.WRONG
    assert f"{own}: the memo of its transaction is {other}" in text_of(verified)


def test_an_anchor_that_no_endpoint_returns_proves_nothing(world: World) -> None:
    verified = verify_proof(proven(world, "ghost"))
    chain = FakePublicChain(world.ledger, chain_of(world.first).public_addresses)
    chain.has_history = False
    verify_proof_on_chain(verified, chain)
    assert verified.outcome is Outcome.UNPROVEN


@pytest.mark.parametrize(("rewards", "batch_size"), [(1_000_000, 57), (1_000_000, 13)])
def test_a_proof_of_a_million_rewards_is_below_four_kilobytes(
    rewards: int, batch_size: int
) -> None:
    vector = vector_named("plan-v1")
    batches = -(-rewards // batch_size)
    header = replace(
        Header.parse(vector["header"].encode()),
        rewards=rewards,
        held=0,
        batches=batches,
        batch_size=batch_size,
        previous_root=bytes(32),
        total_points=10**11,
        total_weight=2 * 10**17,
    )
    row = Row.parse(vector["rows"][0].encode())
    index = batches - 2
    rows = [replace(row, amount=BaseUnits(i), batch=str(header.batch_id(index))) for i in range(57)]
    roots = tuple(hashlib.sha256(str(i).encode()).digest() for i in range(batches))
    proof = ContributorProof(
        user_id="507f1f77bcf86cd799439011",
        salt=bytes(32),
        root=bytes(32),
        receipt_key=vector["receipt_key"],
        cluster_genesis=vector["cluster_genesis"],
        row=prove_row(Seal(header, roots, bytes(32)), index, rows[:batch_size], 5),
    )
    assert len(proof.canonical()) < SIZE_MAX_BYTES
