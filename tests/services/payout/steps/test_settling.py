"""The chain's results are read by any worker, and recorded whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.chain import Execution
from worker.core.payout.records import Payout, PayoutKind
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.override import void_batch
from worker.services.payout.settle import read_settlements, settle_from_chain
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal
from worker.services.week.story import Job

STATES = [PayoutStatus.VOID, PayoutStatus.PAID, PayoutStatus.PAID]


@pytest.fixture
def world() -> World:
    """A week of three batches: the first is void, and the others are paid."""
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    void_batch(world.first, WEEK, 0, "a doubt")
    do(world.first, Job.PAY)
    return world


def rows_of(world: World) -> AnchoredRows:
    planned = planned_week(world.first.store, WEEK)
    return AnchoredRows(world.first, planned, anchored_seal(world.first, planned))


def batches(world: World) -> list[Payout]:
    found = world.first.store.payouts_after(world.distribution().plan_id or "", "", 100)
    return [payout for payout in found if payout.kind is PayoutKind.BATCH]


def states(payouts: list[Payout]) -> dict[str, PayoutStatus]:
    return {payout.id: status for payout, status in zip(payouts, STATES, strict=True)}


@pytest.mark.parametrize("knows_signatures", [True, False])
def test_a_worker_that_signed_nothing_records_every_fact(
    world: World, knows_signatures: bool
) -> None:
    payouts = batches(world)
    assert [payout.status for payout in payouts] == STATES
    if not knows_signatures:
        payouts = [replace(each, attempt=None, signature=None) for each in payouts]

    found = read_settlements(rows_of(world), payouts, states(payouts), {})

    landed = [world.ledger.landed[each.signature or ""] for each in found]
    assert [each.status for each in found] == STATES
    assert all(each.verified and each.missing is None for each in found)
    assert [each.slot for each in found] == [each.slot for each in landed]
    assert all(each.fee is not None and each.fee >= 5000 for each in found)
    assert all(each.landed_at is not None for each in found)


def test_a_settlement_that_the_caller_keeps_does_not_stop_the_others(world: World) -> None:
    payouts, chain = batches(world), chain_of(world.first)

    def executions_of(signatures: Mapping[str, str]) -> dict[str, Execution]:
        found = FakeChain.executions_of(chain, signatures)
        return {receipt: each for receipt, each in found.items() if receipt != payouts[0].id}

    chain.executions_of = executions_of  # type: ignore[method-assign]
    chain.executions = lambda ids: {}  # type: ignore[method-assign]

    kept = read_settlements(rows_of(world), payouts, states(payouts), {}, keeps=lambda _: True)
    recorded = read_settlements(rows_of(world), payouts, states(payouts), {})

    assert [each.payout.id for each in kept] == [payout.id for payout in payouts[1:]]
    unread, *others = recorded
    assert (unread.payout.id, unread.verified, unread.signature) == (payouts[0].id, False, None)
    assert unread.next_look_at is not None
    assert all(each.verified and each.next_look_at is None for each in others)


def test_nothing_is_recorded_that_the_chain_has_not_resolved(world: World) -> None:
    payouts, address = batches(world), chain_of(world.first).receipt_address
    world.ledger.put_account(address(payouts[1].id), None)
    world.clock.sleep(60)

    found = settle_from_chain(rows_of(world), payouts)

    assert [(each.payout.id, each.status) for each in found] == [
        (payouts[0].id, PayoutStatus.VOID),
        (payouts[2].id, PayoutStatus.PAID),
    ]


def test_a_single_whose_row_is_missing_is_paid_and_not_verified(world: World) -> None:
    do(world.first, Job.SINGLES, Job.PAY)
    plan_id = world.distribution().plan_id or ""
    found = world.first.store.payouts_after(plan_id, "", 100)
    singles = [payout for payout in found if payout.kind is PayoutKind.SINGLE]
    del store_of(world.first).state.rewards[plan_id][singles[0].index]

    paid = dict.fromkeys((payout.id for payout in singles), PayoutStatus.PAID)
    settled = read_settlements(rows_of(world), singles, paid, {})

    assert [each.verified for each in settled] == [False, True]
    assert all(each.signature is not None for each in settled)


def test_a_row_is_found_at_its_own_place_only(world: World) -> None:
    plan_id = world.distribution().plan_id or ""
    state, rows = store_of(world.first).state, rows_of(world)
    first, second = (state.rewards[plan_id][position].reward.row for position in (0, 1))
    assert (rows.at(0), rows.at(1)) == (first, second)

    del state.rewards[plan_id][0]

    assert (rows.at(0), rows.at(1)) == (None, second)
