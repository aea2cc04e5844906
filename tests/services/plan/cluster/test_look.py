"""Looks at transactions under way: only what the next step needs is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fakes.world import World, chain_of
from worker.core.payout.chain import Intent
from worker.core.payout.decision import YOUNG
from worker.core.payout.records import Attempt
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.services.plan.cluster.look import HEIGHT_NOT_READ, Look, look_at
from worker.services.plan.send_until_resolved import sign_all

RECEIPT = "2024-12-09/00000"


@pytest.fixture
def world() -> World:
    world = World()
    world.clock.sleep(60)
    return world


@pytest.fixture
def calls(world: World) -> list[str]:
    """The names of the calls that the chain gets."""
    found: list[str] = []
    chain_of(world.first).before = found.append
    return found


def sent(world: World) -> Attempt:
    (attempt,) = sign_all(world.first, [Intent((RECEIPT,), Resolution.VOID, memo=RECEIPT)])
    world.first.chain.send([(attempt.signature, attempt.wire)])
    return attempt


def look(world: World, attempt: Attempt | None, calls: list[str]) -> Look:
    calls.clear()
    return look_at(world.first, {RECEIPT: attempt})


def test_a_receipt_without_an_attempt_is_read_at_the_height(world: World, calls: list[str]) -> None:
    seen = look(world, None, calls)

    assert calls == ["finalized_height", "receipts"]
    assert seen.receipts == {RECEIPT: ReceiptState.FREE}
    assert seen.block_height > HEIGHT_NOT_READ


def test_while_a_young_attempt_waits_for_finality_only_its_status_is_asked(
    world: World, calls: list[str]
) -> None:
    attempt = sent(world)
    world.clock.sleep(1)

    seen = look(world, attempt, calls)

    assert calls == ["statuses"]
    assert (seen.receipts, seen.block_height) == ({}, HEIGHT_NOT_READ)


def test_a_final_status_is_a_reason_to_read_the_receipt(world: World, calls: list[str]) -> None:
    attempt = sent(world)
    world.ledger.finalize()

    seen = look(world, attempt, calls)

    assert calls == ["statuses", "receipts"]
    assert seen.receipts == {RECEIPT: ReceiptState.VOID}


def test_an_unseen_or_an_old_attempt_may_have_expired(world: World, calls: list[str]) -> None:
    world.ledger.holds_sends = True
    attempt = sent(world)
    look(world, attempt, calls)
    assert calls == ["statuses", "finalized_height"]

    world.ledger.deliver()
    old = replace(attempt, created_at=world.clock.now() - YOUNG)
    look(world, old, calls)
    assert calls == ["statuses", "finalized_height"]


def test_an_expired_attempts_receipt_is_not_older_than_the_height(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ledger.holds_sends = True
    attempt = sent(world)
    world.ledger.expire()
    chain, slots = chain_of(world.first), list[int]()
    receipts, height = chain.receipts, chain.finalized_height()

    def note(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        slots.append(not_before_slot)
        return receipts(ids, not_before_slot=not_before_slot)

    monkeypatch.setattr(chain, "receipts", note)
    look_at(world.first, {RECEIPT: attempt})

    assert slots == [height.slot]


def test_receipts_of_one_attempt_ask_for_its_status_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, asked = sent(world), list[str]()
    statuses = chain_of(world.first).statuses
    monkeypatch.setattr(
        chain_of(world.first), "statuses", lambda them: asked.extend(them) or statuses(them)
    )

    seen = look_at(world.first, {RECEIPT: attempt, "another": attempt})

    assert asked == [attempt.signature]
    assert seen.statuses.keys() == {RECEIPT, "another"}
