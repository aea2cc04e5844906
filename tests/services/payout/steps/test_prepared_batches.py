"""Batches before they are signed: lost accounts, voids, and singles of void batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import PayoutStatus
from worker.core.money import BaseUnits
from worker.core.payout.records import Attempt, Payout, PayoutKind
from worker.core.plan.receipts import ReceiptState, Resolution
from worker.services.context import Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan
from worker.services.payout.override import void_batch
from worker.services.payout.pay import pay
from worker.services.payout.prepare import PreparedPayments, prepare_payments
from worker.services.plan.funds import FundsShort
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal
from worker.services.week.story import Job

SOON = timedelta(seconds=5)
ATTEMPT = Attempt("sig", Resolution.PAID, "hash", 1, b"", datetime(2024, 12, 16, tzinfo=UTC))


@pytest.fixture
def world() -> World:
    """Three batches of two. We made the account of each user but `user 2`."""
    world = World(batch_size=2)
    world.populate(6)
    world.genesis()
    for number in (0, 1, 3, 4, 5):
        close(world, f"user {number}")
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    return world


def close(world: World, name: str) -> None:
    world.ledger.put_token_account(token_address(wallet_named(name)), None)
    world.clock.sleep(20)


def has_account(world: World, name: str) -> bool:
    return world.ledger.token_account(token_address(wallet_named(name))) is not None


def payouts_of(world: World, kind: PayoutKind) -> list[Payout]:
    found = world.first.store.payouts_after(world.distribution().plan_id or "", "", 100)
    return [payout for payout in found if payout.kind is kind]


def batch_of(world: World, name: str) -> str:
    rewards = world.first.store.rewards(world.distribution().plan_id or "", range(6))
    return next(r.row.batch for r in rewards if r.row.wallet == wallet_named(name))


def prepare(world: World, payouts: Sequence[Payout]) -> PreparedPayments:
    context = world.first
    planned = planned_week(context.store, WEEK)
    rows = AnchoredRows(context, planned, anchored_seal(context, planned))
    return prepare_payments(rows, payouts, Deadline(world.clock, 30), refused=set())


def test_accounts_that_a_fork_dropped_are_made_again_and_their_batches_wait(world: World) -> None:
    lost = ["user 0", "user 1", "user 3"]
    for name in lost:
        close(world, name)
    expected = {batch_of(world, name) for name in lost}

    prepared = prepare(world, payouts_of(world, PayoutKind.BATCH))

    assert all(has_account(world, name) for name in lost)
    assert {each.payout.id for each in prepared.later} == expected
    assert {payout.id for payout, _ in prepared.intents}.isdisjoint(expected)
    assert len(prepared.intents) + len(prepared.later) == 3
    waits = {each.next_attempt_at - world.clock.now() for each in prepared.later}
    assert waits == {SOON}
    made_again = "a token account was created again; the payment waits for it"
    assert {each.reason for each in prepared.later} == {made_again}
    assert all(each.is_failure for each in prepared.later)


@pytest.mark.parametrize("tried", [{"attempts": 1}, {"attempt": ATTEMPT}])
def test_after_the_first_try_no_account_is_made_again(
    world: World, tried: dict[str, object]
) -> None:
    close(world, "user 0")
    payouts = [replace(each, **tried) for each in payouts_of(world, PayoutKind.BATCH)]

    prepared = prepare(world, payouts)

    assert (len(prepared.intents), prepared.later) == (3, [])
    assert not has_account(world, "user 0")


def test_an_account_that_we_did_not_make_is_not_made_for_a_batch(world: World) -> None:
    close(world, "user 2")

    prepared = prepare(world, payouts_of(world, PayoutKind.BATCH))

    assert (len(prepared.intents), prepared.later) == (3, [])
    assert not has_account(world, "user 2")


def test_without_sol_only_the_batches_with_lost_accounts_wait(world: World) -> None:
    close(world, "user 0")
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=1_000_000))
    world.clock.sleep(20)

    prepared = prepare(world, payouts_of(world, PayoutKind.BATCH))

    assert [each.payout.id for each in prepared.later] == [batch_of(world, "user 0")]
    assert prepared.later[0].reason == str(prepared.short)
    assert len(prepared.intents) == 2


def test_a_payment_without_sol_for_an_account_is_reported_after_all_others_were_paid(
    world: World,
) -> None:
    close(world, "user 0")
    chain, costs = chain_of(world.first), chain_of(world.first).costs()
    account = world.ledger.account(chain.fee_payer)
    assert account is not None
    enough_for_two = 2 * (costs.receipt_rent + costs.fee_per_signature) + 950_000
    world.ledger.put_account(chain.fee_payer, replace(account, lamports=enough_for_two))
    world.clock.sleep(20)
    planned = planned_week(world.first.store, WEEK)

    with pytest.raises(FundsShort, match="Token accounts"):
        pay(world.first, planned, range(9), Deadline(world.clock, 60))

    states = {p.id: p.status for p in payouts_of(world, PayoutKind.BATCH)}
    assert states.pop(batch_of(world, "user 0")) is PayoutStatus.PENDING
    assert set(states.values()) == {PayoutStatus.PAID}


def test_an_ordered_void_moves_nothing_and_the_others_are_paid(world: World) -> None:
    void_batch(world.first, WEEK, 1, "a doubt")

    prepared = prepare(world, payouts_of(world, PayoutKind.BATCH))

    intents = {payout.index: intent for payout, intent in prepared.intents}
    ids = [f"{WEEK.id}/{index:05}" for index in range(3)]
    assert [intents[index].receipts for index in range(3)] == [(each,) for each in ids]
    assert [intents[index].resolution for index in range(3)] == [
        Resolution.PAID,
        Resolution.VOID,
        Resolution.PAID,
    ]
    assert [len(intents[index].transfers) for index in range(3)] == [2, 0, 2]


# --- singles of void batches --------------------------------------------------------------------


@pytest.fixture
def voided(world: World) -> World:
    """All batches are void, and their rewards have payouts of their own."""
    for index in range(3):
        void_batch(world.first, WEEK, index, "a doubt")
    do(world.first, Job.PAY, Job.SINGLES)
    return world


def test_singles_of_void_batches_are_paid(voided: World) -> None:
    prepared = prepare(voided, payouts_of(voided, PayoutKind.SINGLE))

    assert (len(prepared.intents), prepared.later) == (6, [])
    paid = [intent.transfers[0].wallet for _, intent in prepared.intents]
    assert sorted(paid) == sorted(wallet_named(f"user {number}") for number in range(6))


@pytest.mark.parametrize("state", [ReceiptState.UNKNOWN, ReceiptState.FREE, ReceiptState.PAID])
def test_singles_of_a_batch_that_is_not_void_wait(voided: World, state: ReceiptState) -> None:
    batch, chain = f"{WEEK.id}/00001", chain_of(voided.first)

    def receipts(ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        found = FakeChain.receipts(chain, ids, not_before_slot=not_before_slot)
        return found | ({batch: state} if batch in found else {})

    chain.receipts = receipts  # type: ignore[method-assign]

    prepared = prepare(voided, payouts_of(voided, PayoutKind.SINGLE))

    assert (len(prepared.intents), len(prepared.later)) == (4, 2)
    assert all(f"{state.value}, not void" in each.reason for each in prepared.later)
    is_paid = state is ReceiptState.PAID
    assert all(each.is_failure is is_paid for each in prepared.later)
    if not is_paid:
        waits = {each.next_attempt_at - voided.clock.now() for each in prepared.later}
        assert waits == {SOON}


def test_changed_rows_stop_the_singles_of_their_own_batch(voided: World) -> None:
    state, plan_id = store_of(voided.first).state, voided.distribution().plan_id or ""
    for position in (0, 2):
        stored = state.rewards_of(plan_id)[position]
        more = BaseUnits(stored.reward.row.amount + 1)
        state.put_reward(stored, row=replace(stored.reward.row, amount=more))

    prepared = prepare(voided, payouts_of(voided, PayoutKind.SINGLE))

    assert sorted(payout.index for payout, _ in prepared.intents) == [4, 5]
    assert sorted(each.payout.index for each in prepared.later) == [0, 1, 2, 3]
    assert all("kontrib rebuild" in each.reason for each in prepared.later)


# --- payouts that the plan does not have --------------------------------------------------------


def outside(world: World, payouts: Sequence[Payout]) -> list[int]:
    planned = planned_week(world.first.store, WEEK)
    found = outside_plan(world.first.store, planned, payouts)
    assert all(error.payout.id == stored for stored, error in found.items())
    return sorted(error.payout.index for error in found.values())


def test_every_payout_of_a_plan_belongs_to_it(voided: World) -> None:
    everything = voided.first.store.payouts_after(voided.distribution().plan_id or "", "", 100)

    assert outside(voided, everything) == []
    for count in (1, 2, 3):
        assert outside(voided, payouts_of(voided, PayoutKind.SINGLE)[:count]) == []


@pytest.mark.parametrize("indexes", [[2], [1, 2], [2, 3], [0, 1, 2, 3, 4, 5]])
def test_a_single_whose_row_is_missing_is_outside_alone(voided: World, indexes: list[int]) -> None:
    plan_id = voided.distribution().plan_id or ""
    del store_of(voided.first).state.rewards[plan_id][2]
    singles = [p for p in payouts_of(voided, PayoutKind.SINGLE) if p.index in indexes]

    assert outside(voided, singles) == [2]


def test_payouts_with_another_id_or_place_are_outside(voided: World) -> None:
    batches = payouts_of(voided, PayoutKind.BATCH)
    singles = sorted(payouts_of(voided, PayoutKind.SINGLE), key=lambda payout: payout.index)
    exchanged = [replace(singles[0], id=singles[1].id), replace(singles[1], id=singles[0].id)]

    assert outside(voided, [*exchanged, *singles[2:], *batches]) == [0, 1]
    assert outside(voided, [replace(batches[0], index=1), *batches[1:]]) == [1]
    for index in (-1, 3):
        assert outside(voided, [replace(batches[0], index=index)]) == [index]
    for index in (-1, 6):
        assert outside(voided, [replace(singles[0], index=index), *singles[1:]]) == [index]
