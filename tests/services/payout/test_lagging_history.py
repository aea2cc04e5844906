"""Transactions become readable some blocks after their receipts, or much later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.store.state import StoredReward
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.sweeping import SWEEP_SECONDS, assert_clean, sweep
from worker.core.errors import ExitCode
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.backoff import ATTEMPTS_MAX, NEVER
from worker.core.payout.records import Payout, PayoutKind
from worker.core.plan.receipts import ReceiptState
from worker.services.context import Deadline
from worker.services.payout.close import TransactionsUnread, close_week
from worker.services.payout.outside_plan import PayoutNotOfPlan
from worker.services.payout.read_again import read_again, write_back
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.payout.reconcile import reconcile
from worker.services.plan.plan_week import plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.week.due import find_work
from worker.services.week.outcome import verdict
from worker.services.week.run import do_work
from worker.services.week.status import obstacles
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

FROZEN = "user 0"


@pytest.fixture
def town(world: World) -> World:
    """A planned week whose first batch becomes void, since its first recipient is frozen."""
    world.populate(7)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=True)
    world.clock.sleep(20)
    return world


def plan_id(world: World) -> str:
    return world.distribution().plan_id or ""


def stored_rewards(world: World) -> list[StoredReward]:
    return list(store_of(world.first).state.rewards[plan_id(world)].values())


def payouts(world: World) -> list[Payout]:
    return world.first.store.payouts_after(plan_id(world), "", 100)


def incomplete(world: World) -> list[str]:
    """What lacks a signature, a slot or a date."""
    paid = [s for s in stored_rewards(world) if s.reward.status is Status.COMPLETED]
    lacking = [s for s in paid if None in (s.reward.signature, s.slot, s.claimed_at)]
    found = [s.reward.user_id for s in lacking]
    found += [p.id for p in payouts(world) if p.status.is_resolved and p.signature is None]
    return found + ["the week"] * (world.distribution().signature is None)


def wrong_dates(world: World) -> list[str]:
    """Rewards whose date is not the block time of their slot."""
    return [
        s.reward.user_id
        for s in stored_rewards(world)
        if s.slot is not None and s.claimed_at != world.ledger.time_of(s.slot)
    ]


@pytest.mark.parametrize("blocks", [1, 3, 8])
def test_history_some_blocks_late_closes_the_week_with_every_signature(
    town: World, blocks: int
) -> None:
    chain_of(town.first).history_lag_slots = blocks
    failures = sweep(town.first)
    town.clock.sleep(SWEEP_SECONDS)
    failures += sweep(town.first)

    assert town.distribution().stage is Stage.COMPLETED
    assert failures == []
    assert incomplete(town) == wrong_dates(town) == []
    assert all(p.reason is None for p in payouts(town) if p.status.is_resolved)
    assert_clean(town)


def without_history(world: World) -> None:
    chain_of(world.first).has_history = False
    sweep(world.first)


def with_history(world: World) -> None:
    chain_of(world.first).has_history = True
    world.clock.sleep(7 * 3600)
    sweep(world.first)


def test_without_history_a_week_is_paid_and_waits_with_a_reason(town: World) -> None:
    without_history(town)
    batches = [p for p in payouts(town) if p.status.is_resolved]

    assert {p.status for p in batches} == {PayoutStatus.PAID, PayoutStatus.VOID}
    assert town.distribution().stage is Stage.PREPARED
    reason = town.distribution().reason or ""
    assert reason.startswith("TransactionsUnread: 2024-W50 is paid, and waits")
    assert "SOLANA_RPC_URL" in reason
    assert not town.distribution().stopped
    assert town.distribution().attempts == 0
    listed = {o.payout_id: o.reason for o in obstacles(town.first.store, WEEK, 20)}
    reasons = {payout.id: f"{payout.status}, signature not readable yet" for payout in batches}
    assert listed == reasons
    assert "reconciliation" not in town.first.store.notes(WEEK)
    found = verdict(town.first.store, WEEK, town.clock.now())
    assert found is not None
    assert found.exit_code == ExitCode.NOT_READY
    assert reconcile(town.first, town.distribution()).mismatch == 0


def test_a_week_closes_by_itself_with_every_signature_when_history_is_back(town: World) -> None:
    without_history(town)
    with_history(town)

    assert town.distribution().stage is Stage.COMPLETED
    assert incomplete(town) == wrong_dates(town) == []
    assert_clean(town)


def test_the_looks_for_a_transaction_end_visibly_and_a_retry_begins_them_again(
    town: World,
) -> None:
    without_history(town)
    for _ in range(ATTEMPTS_MAX):
        town.clock.sleep(timedelta(hours=10).total_seconds())
        sweep(town.first)
    unread = [p for p in payouts(town) if p.reason]
    assert {p.next_attempt_at for p in unread} == {NEVER}
    assert (town.distribution().reason or "").startswith("TransactionsUnread")
    with_history(town)
    assert town.distribution().stage is Stage.PREPARED

    retry_week(town.first.store, WEEK)
    sweep(town.first)

    assert town.distribution().stage is Stage.COMPLETED
    assert incomplete(town) == []


def test_a_single_of_a_completed_week_is_read_when_history_is_back(town: World) -> None:
    sweep(town.first)
    assert town.distribution().stage is Stage.COMPLETED
    town.ledger.change_token_account(token_address(wallet_named(FROZEN)), frozen=False)
    town.clock.sleep(7 * 3600)
    without_history(town)
    single = next(p for p in payouts(town) if p.reason)
    assert (single.kind, single.reason) == (PayoutKind.SINGLE, "paid, signature not readable yet")

    chain_of(town.first).has_history = True
    town.clock.sleep(7 * 3600)
    assert [work.job for work in find_work(town.first)] == [Job.READ_BACK]
    sweep(town.first)

    assert find_work(town.first) == []
    assert incomplete(town) == wrong_dates(town) == []


def test_an_unknown_block_time_is_asked_for_again_and_corrects_the_date(town: World) -> None:
    chain_of(town.first).has_block_times = False
    sweep(town.first)
    assert any(p.reason == "paid, date not readable yet" for p in payouts(town))
    assert incomplete(town) == []

    chain_of(town.first).has_block_times = True
    town.clock.sleep(7 * 3600)
    sweep(town.first)

    assert town.distribution().stage is Stage.COMPLETED
    assert wrong_dates(town) == []


def test_a_worker_that_reads_nothing_hides_nothing_that_another_one_has_read(town: World) -> None:
    sweep(town.first)
    before = (payouts(town), stored_rewards(town))
    chain_of(town.first).has_history = False
    state = store_of(town.first).state
    paid = next(p for p in payouts(town) if p.kind is PayoutKind.BATCH and p.signature)
    state.put_payout(state.payouts_of(plan_id(town))[paid.id], reason="old")
    read_again(town.first, planned_week(town.first.store, WEEK), due=None)
    chain_of(town.first).has_history = True
    read_again(town.first, planned_week(town.first.store, WEEK), due=None)

    after = [replace(p, attempts=b.attempts) for p, b in zip(payouts(town), before[0], strict=True)]
    assert (after, stored_rewards(town)) == before


def test_a_rebuild_without_history_is_completed_later(town: World) -> None:
    sweep(town.first)
    chain = chain_of(town.first)
    read, looks = chain.executions, []

    def only_the_anchor(ids: list[str]) -> dict[str, object]:
        looks.append(ids)
        return {i: e for i, e in read(ids).items() if i.endswith("/anchor")}

    chain.executions = only_the_anchor  # type: ignore[method-assign, assignment]
    rebuild_week(town.first, WEEK, Deadline(town.clock, 600))
    assert incomplete(town) != []
    chain.executions = read  # type: ignore[method-assign]
    town.clock.sleep(7 * 3600)
    sweep(town.first)

    assert town.distribution().stage is Stage.COMPLETED
    assert incomplete(town) == wrong_dates(town) == []


def test_rewards_of_an_older_version_without_signature_get_it_from_the_chain(town: World) -> None:
    """The payouts have no reason: older versions did not look again."""
    sweep(town.first)
    state = store_of(town.first).state
    blank = next(p for p in payouts(town) if p.kind is PayoutKind.BATCH and p.signature)
    state.put_payout(state.payouts_of(plan_id(town))[blank.id], signature=None, slot=None)
    for stored in stored_rewards(town):
        state.put_reward(replace(stored, slot=None), signature=None)
    planned = planned_week(town.first.store, WEEK)

    read_again(town.first, planned, due=None)
    write_back(town.first, planned)

    assert incomplete(town) == wrong_dates(town) == []


def test_a_week_that_is_closed_by_hand_records_what_it_reads(town: World) -> None:
    without_history(town)
    chain_of(town.first).has_history = True
    town.clock.sleep(7 * 3600)
    close_week(town.first, town.distribution())
    assert incomplete(town) == []


def test_a_payment_of_another_transaction_is_still_a_difference(town: World) -> None:
    """History that lags hides no mismatch."""
    without_history(town)
    state = store_of(town.first).state
    stored = next(s for s in stored_rewards(town) if s.reward.status is Status.COMPLETED)
    state.put_reward(stored, status=Status.PENDING)
    assert reconcile(town.first, town.distribution()).mismatch == stored.reward.row.amount
    assert not reconcile(town.first, town.distribution()).is_unproven


def test_a_held_reward_waits_and_history_does_not_matter(world: World) -> None:
    world.populate(3)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    chain_of(world.first).history_lag_slots = 8
    sweep(world.first)
    world.do(world.first, Work(Job.READ_BACK, WEEK))
    ghost = world.first.store.reward(WEEK, user_id_of("ghost"))
    assert ghost is not None
    assert ghost.status is Status.PENDING
    assert world.distribution().stage is Stage.COMPLETED


def test_a_silent_endpoint_delays_the_reading_with_a_reason(town: World) -> None:
    sweep(town.first)
    state = store_of(town.first).state
    batch = next(p for p in payouts(town) if p.kind is PayoutKind.BATCH and p.signature)
    reason = "paid, signature not readable yet"
    state.put_payout(state.payouts_of(plan_id(town))[batch.id], signature=None, reason=reason)
    read = chain_of(town.first).receipts
    chain_of(town.first).receipts = lambda ids, **limits: {  # type: ignore[method-assign]
        i: found if "/root/" in i else ReceiptState.UNKNOWN for i, found in read(ids).items()
    }
    with pytest.raises(TransactionsUnread, match=batch.id):
        town.do(town.first, Work(Job.READ_BACK, WEEK))
    assert (town.distribution().reason or "").startswith("TransactionsUnread")

    chain_of(town.first).receipts = read  # type: ignore[method-assign]
    town.clock.sleep(SWEEP_SECONDS)
    sweep(town.first)
    assert incomplete(town) == []
    assert town.distribution().reason is None


def blank(town: World, *, index: int, **changed: Any) -> Payout:
    """Let the record of a paid batch lack its signature."""
    state, reason = store_of(town.first).state, "paid, signature not readable yet"
    batch = next(p for p in payouts(town) if p.kind is PayoutKind.BATCH and p.index == index)
    stored = state.payouts_of(plan_id(town))[batch.id]
    state.put_payout(stored, signature=None, reason=reason, **changed)
    return batch


def test_reading_a_part_of_the_transactions_is_progress_and_the_rest_waits(town: World) -> None:
    sweep(town.first)
    read_now, silent = blank(town, index=1), blank(town, index=2)
    read = chain_of(town.first).receipts
    chain_of(town.first).receipts = lambda ids, **limits: {  # type: ignore[method-assign]
        i: ReceiptState.UNKNOWN if i == silent.id else found for i, found in read(ids).items()
    }
    with pytest.raises(TransactionsUnread, match=silent.id):
        do_work(town.first, Work(Job.READ_BACK, WEEK), seconds=60)

    assert (town.distribution().attempts, town.distribution().stopped) == (0, False)
    assert [p.id for p in payouts(town) if p.reason] == [silent.id]
    assert read_now.id not in incomplete(town)
    chain_of(town.first).receipts = read  # type: ignore[method-assign]
    town.clock.sleep(SWEEP_SECONDS)
    sweep(town.first)
    assert incomplete(town) == []
    assert town.distribution().reason is None


@pytest.mark.parametrize("hidden", [1, 2])
def test_a_reading_counts_over_all_pages(
    town: World, monkeypatch: pytest.MonkeyPatch, hidden: int
) -> None:
    sweep(town.first)
    monkeypatch.setattr("worker.services.payout.read_again.CHUNK_PAYOUTS", 1)
    ids = {index: blank(town, index=index).id for index in (1, 2)}
    chain = chain_of(town.first)
    for method in ("executions", "executions_of"):
        found = getattr(chain, method)
        monkeypatch.setattr(
            chain,
            method,
            lambda asked, found=found: {
                i: each for i, each in found(asked).items() if i != ids[hidden]
            },
        )
    read = read_again(town.first, planned_week(town.first.store, WEEK), due=None)
    assert (read.complete, read.later) == (1, 1)
    assert (read.unresolved, read.outside) == ([], [])


def test_receipts_that_nobody_shows_are_named_over_all_pages(
    town: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(town.first)
    monkeypatch.setattr("worker.services.payout.read_again.CHUNK_PAYOUTS", 1)
    blanked = [blank(town, index=index).id for index in (1, 2)]
    chain = chain_of(town.first)
    shown = chain.receipts

    def hiding(ids: list[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        found = shown(ids, not_before_slot=not_before_slot)
        return found | {i: ReceiptState.UNKNOWN for i in ids if i in blanked}

    monkeypatch.setattr(chain, "receipts", hiding)
    read = read_again(town.first, planned_week(town.first.store, WEEK), due=None)
    assert [payout.id for payout in read.unresolved] == blanked


def test_a_payout_outside_the_plan_is_named_and_stops_no_reading(town: World) -> None:
    sweep(town.first)
    blank(town, index=1)
    blank(town, index=2)
    stored = store_of(town.first).state.payouts_of(plan_id(town))
    moved = stored.pop(f"{WEEK.id}/00002")
    stored[f"{WEEK.id}/90000"] = replace(moved, payout=replace(moved.payout, id=f"{WEEK.id}/90000"))

    for attempts in (1, 2):
        with pytest.raises(PayoutNotOfPlan, match="90000"):
            do_work(town.first, Work(Job.READ_BACK, WEEK), seconds=60)
        found = town.distribution()
        assert (found.reason or "").startswith(f"PayoutNotOfPlan: {WEEK.id}/90000")
        assert found.attempts == attempts
        assert [p.index for p in payouts(town) if p.reason] == [2]
        town.clock.sleep(SWEEP_SECONDS)


def test_batches_that_are_paid_and_not_readable_are_not_taken_for_unpaid(town: World) -> None:
    """Without the plan, payments are recovered by wallet."""
    sweep(town.first)
    chain = chain_of(town.first)
    read = chain.executions
    chain.executions = lambda ids: {  # type: ignore[method-assign]
        i: found for i, found in read(ids).items() if i.endswith("/anchor")
    }
    recovered = recover_by_wallet(town.first, WEEK)
    counts = town.first.store.batch_counts(plan_id(town))
    assert recovered.unreadable_batches == counts[PayoutStatus.PAID] > 0
    assert recovered.open_batches == 0


def test_batches_that_wait_are_listed_before_those_that_are_only_not_readable(
    town: World,
) -> None:
    without_history(town)
    state = store_of(town.first).state
    last = max(
        payouts(town), key=lambda payout: payout.id if payout.kind is PayoutKind.BATCH else ""
    )
    stored = state.payouts_of(plan_id(town))[last.id]
    state.put_payout(stored, status=PayoutStatus.PROCESSING, reason="node is behind")
    assert [o.reason for o in obstacles(town.first.store, WEEK, 1)] == ["node is behind"]
