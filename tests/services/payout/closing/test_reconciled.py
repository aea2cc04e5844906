"""Plan, database and chain are compared payout by payout, on every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World, chain_of, store_of
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Row
from worker.services.payout import reconcile as reconcile_module
from worker.services.payout.override import void_batch
from worker.services.payout.reconcile import reconcile
from worker.services.week.story import Job, Work


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A week of three batches that can be paid. A page has one payout."""
    monkeypatch.setattr(reconcile_module, "CHUNK_PAYOUTS", 1)
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    world.clock.sleep(60)
    return world


def pay(world: World, *, first: int = 0) -> None:
    world.do(world.first, Work(Job.PAY, WEEK, first, 3))


def test_every_payout_of_a_paid_week_is_compared(world: World) -> None:
    pay(world)

    result = reconcile(world.first, world.distribution())

    assert result.is_exact
    assert (result.payouts, result.on_its_way, result.database_unpaid) == (3, 0, 0)
    assert result.chain_paid == result.database_paid == result.planned
    assert len(result.signatures) == 3
    assert result.fees == sum(landed.fee for landed in world.ledger.payments()) > 0


def test_before_the_first_payment_nothing_is_paid(world: World) -> None:
    result = reconcile(world.first, world.distribution())

    assert result.is_exact
    assert (result.database_paid, result.chain_paid) == (0, 0)
    assert result.on_its_way == result.planned


def test_unreadable_payments_are_counted_and_those_of_void_batches_owe_nothing(
    world: World,
) -> None:
    void_batch(world.first, WEEK, 0, "a doubt")
    pay(world)
    batches = world.first.store.payouts_after(world.distribution().plan_id or "", "", 9)
    owed = sum(p.amount for p in batches if p.kind is PayoutKind.BATCH and p.index)
    chain_of(world.first).has_history = False

    result = reconcile(world.first, world.distribution())

    assert (result.unreadable, result.paid_unreadable) == (3, owed)
    assert (result.chain_paid, result.mismatch) == (0, 0)
    assert result.is_unproven


def test_a_signature_that_is_not_on_record_yet_is_no_difference(world: World) -> None:
    pay(world)
    state = store_of(world.first).state
    stored = state.payouts[world.distribution().plan_id or ""]["2024-12-09/00001"]
    state.put_payout(stored, signature=None)

    result = reconcile(world.first, world.distribution())

    assert result.is_exact


def test_changed_rows_are_named_with_their_payout(world: World) -> None:
    pay(world)
    state = store_of(world.first).state
    (stored,) = (
        each
        for each in state.rewards[world.distribution().plan_id or ""].values()
        if each.reward.position == 2
    )
    state.put_reward(stored, row=replace(stored.reward.row, wallet="another"))

    result = reconcile(world.first, world.distribution())

    (finding,) = result.check.findings
    assert finding.subject == "2024-12-09/00001"
    assert "does not match the anchored plan" in str(finding)


def test_changed_held_rows_are_named_with_their_week() -> None:
    world = World()
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    world.run()
    state = store_of(world.first).state
    (stored,) = (
        each
        for each in state.rewards[world.distribution().plan_id or ""].values()
        if not each.reward.row.batch
    )
    state.put_reward(stored, row=replace(stored.reward.row, points=1))

    result = reconcile(world.first, world.distribution())

    (finding,) = result.check.findings
    assert finding.subject == "2024-W50"
    assert "does not match the anchored plan" in str(finding)


def test_what_is_not_paid_yet_is_on_its_way(world: World) -> None:
    pay(world, first=2)

    result = reconcile(world.first, world.distribution())

    assert result.is_exact
    assert result.on_its_way == result.database_unpaid > 0
    assert result.database_paid + result.on_its_way == result.planned


def test_an_endpoint_that_is_behind_a_recorded_slot_proves_no_difference(world: World) -> None:
    before = world.ledger.slot
    world.clock.sleep(20)
    pay(world)
    chain_of(world.first).endpoints[0].lag_slots = world.ledger.slot - before

    result = reconcile(world.first, world.distribution())

    assert not result.is_exact
    assert result.check.wrong_count == 0
    assert result.check.unproven_count == 3


def test_a_payout_outside_the_plan_is_named_and_the_others_are_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_module, "CHUNK_PAYOUTS", 100)
    pay(world)
    state = store_of(world.first).state
    stored = state.payouts[world.distribution().plan_id or ""].pop("2024-12-09/00000")
    state.put_payout(stored, id="2024-12-09/0000")

    result = reconcile(world.first, world.distribution())

    (finding,) = result.check.findings
    assert "2024-12-09/0000 is not the anchored plan's id of batch 0" in str(finding)
    assert len(result.signatures) == 2


def test_unpaid_rewards_that_no_payout_pays_any_more_are_summed(world: World) -> None:
    state = store_of(world.first).state
    stored = state.payouts[world.distribution().plan_id or ""]["2024-12-09/00000"]
    state.put_payout(stored, status=PayoutStatus.PAID)

    result = reconcile(world.first, world.distribution())

    forgotten = f"{stored.payout.amount:,} base units of unpaid rewards are in no payout"
    assert forgotten in [finding.found for finding in result.check.findings]


def test_neighbouring_batches_are_read_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_module, "CHUNK_PAYOUTS", 100)
    pay(world)
    store, asked = store_of(world.first), list[range]()

    def note(plan_id: str, positions: range) -> Iterator[Row]:
        asked.append(positions)
        return FakeStore.rows(store, plan_id, positions)

    monkeypatch.setattr(store, "rows", note)

    assert reconcile(world.first, world.distribution()).is_exact
    assert asked == [range(6)]
