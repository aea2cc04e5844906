"""What transactions cost that resolve no payout is read when a week closes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.world import WEEK, World, chain_of
from worker.core.cost import Charge, OtherTransaction, TransactionKind
from worker.core.money import Lamports
from worker.core.payout.records import PayoutKind
from worker.services.payout.read_again import read_charges
from worker.services.plan.send_until_resolved import record_attempts


@pytest.fixture
def closed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A closed week of users without token accounts, and pages of one transaction."""
    monkeypatch.setattr("worker.services.payout.read_again.CHUNK_PAYOUTS", 1)
    for number in range(12):
        world.add_user(f"user {number}", account=False)
        world.contribute(f"user {number}", 100)
    world.genesis()
    world.run()
    return world


def recorded(world: World) -> dict[str, Charge | None]:
    found = world.first.store.other_transactions(WEEK, "", 99)
    return {each.signature: each.charge for each in found}


def test_the_fees_of_all_creations_are_read(closed: World) -> None:
    charges = recorded(closed)
    assert len(charges) > 1
    assert charges == chain_of(closed.first).charges(list(charges))


def test_only_what_is_not_read_yet_is_asked_for(closed: World) -> None:
    landed = next(iter(closed.ledger.landed.values()))
    closed.ledger.landed |= {name: replace(landed, signature=name) for name in ("1", "2", "3")}
    sent = [OtherTransaction(name, WEEK, TransactionKind.ACCOUNTS, 9) for name in ("1", "2", "3")]
    closed.first.store.record_transactions(sent)
    known = Charge(Lamports(7))
    closed.first.store.record_charges({"1": known})

    read_charges(closed.first, WEEK)

    charges = recorded(closed)
    assert charges["1"] == known
    assert charges["2"] == charges["3"] == chain_of(closed.first).charges(["2"])["2"]


def test_an_attempt_that_is_signed_again_is_recorded(closed: World) -> None:
    store, plan_id = closed.first.store, closed.distribution().plan_id or ""
    payouts = [p for p in store.payouts_after(plan_id, "", 99) if p.kind is PayoutKind.BATCH]
    first = payouts[0].attempt
    assert first is not None

    record_attempts(closed.first, [(payouts[0], replace(first, signature="another"))])

    found = {each.signature: each for each in store.other_transactions(WEEK, "", 99)}
    assert found[first.signature].kind is TransactionKind.REPLACED
    assert found[first.signature].last_valid_block_height == first.last_valid_block_height
    assert "another" not in found
