"""Records are changed after the anchor.

Every payment stays as planned and happens at most once. No other payout waits, and the change is
reported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from tests.fakes.chain.transactions import token_address
from tests.fakes.store.state import StoredPayout, StoredReward
from tests.fakes.wallets import wallet_named
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.errors import NotReady
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.money import BaseUnits
from worker.core.payout.single import single_payout
from worker.core.plan.receipts import ReceiptState, single_id
from worker.services.payout.reconcile import reconcile
from worker.services.week.due import find_work
from worker.services.week.story import Job
from worker.services.week.unblock import retry_week

A_DAY = 24 * 3600


@pytest.fixture
def world() -> World:
    """Ten users in four batches of three, and a ghost without a wallet."""
    world = World(batch_size=3)
    world.populate(10)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    return world


def run_until(world: World, job: Job) -> None:
    while (found := find_work(world.first))[0].job is not job:
        world.do(world.first, found[0])


def rewards_of(world: World) -> dict[int, StoredReward]:
    return store_of(world.first).state.rewards[world.distribution().plan_id or ""]


def payouts_of(world: World) -> dict[str, StoredPayout]:
    return store_of(world.first).state.payouts[world.distribution().plan_id or ""]


def change_amount(world: World, position: int, times: int) -> None:
    stored = rewards_of(world)[position]
    amount = BaseUnits(stored.reward.row.amount * times)
    store_of(world.first).state.put_reward(stored, row=replace(stored.reward.row, amount=amount))


def rename(world: World, old: str, new: str, **facts: Any) -> None:
    """Make a paid payout look unpaid under an id whose receipt is free."""
    stored = payouts_of(world).pop(old)
    unpaid = {"status": PayoutStatus.PENDING, "attempt": None, "signature": None, **facts}
    payouts_of(world)[new] = replace(stored, payout=replace(stored.payout, id=new, **unpaid))


def give_a_wallet(world: World) -> None:
    world.open_account("ghost")
    facts = {"wallet_address": wallet_named("ghost")}
    store_of(world.first).set_user_fields(ObjectId(user_id_of("ghost")), **facts)
    world.clock.sleep(7 * 3600)


def balance(world: World, *names: str) -> int:
    return sum(world.balances(names).values())


def everyone(world: World) -> dict[str, int]:
    return world.balances([*(f"user {i}" for i in range(10)), "ghost"])


def stopped_because(world: World) -> str:
    distribution = world.distribution()
    assert distribution.stopped
    assert distribution.stage is Stage.PREPARED
    return distribution.reason or ""


def change_first(world: World) -> Callable[[], None]:
    kept = rewards_of(world)[0]
    change_amount(world, 0, 2)
    return lambda: rewards_of(world).update({0: kept})


def delete_first(world: World) -> Callable[[], None]:
    kept = rewards_of(world).pop(0)
    return lambda: rewards_of(world).update({0: kept})


@pytest.mark.parametrize("change", [change_first, delete_first])
def test_a_changed_row_stops_its_batch_alone(
    world: World, change: Callable[[World], Callable[[], None]]
) -> None:
    run_until(world, Job.PAY)
    mend = change(world)

    world.run()

    assert "2024-12-09/00000 does not match the anchored plan" in stopped_because(world)
    batches = world.first.store.batch_counts(world.distribution().plan_id or "")
    assert (batches[PayoutStatus.PAID], batches[PayoutStatus.PENDING]) == (3, 1)
    mend()
    retry_week(world.first.store, WEEK)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert reconcile(world.first, world.distribution()).is_exact


def test_a_paid_batch_under_another_id_is_not_paid_again(world: World) -> None:
    world.run()
    paid = everyone(world)
    rename(world, f"{WEEK.id}/00001", f"{WEEK.id}/90000")

    world.run()

    assert everyone(world) == paid
    named = f"{WEEK.id}/90000 is not the anchored plan's id of batch 1"
    assert named in (world.distribution().reason or "")
    result = reconcile(world.first, world.distribution())
    assert any(named in difference for difference in result.differences)


def test_two_batches_whose_places_were_exchanged_are_not_settled_for_each_other(
    world: World,
) -> None:
    run_until(world, Job.PAY)
    first, second = f"{WEEK.id}/00000", f"{WEEK.id}/00001"
    one, other = payouts_of(world)[first], payouts_of(world)[second]
    # Swap the roots, too. Otherwise the whole stored plan would not fit its root.
    payouts_of(world)[first] = replace(other, payout=replace(other.payout, id=first))
    payouts_of(world)[second] = replace(one, payout=replace(one.payout, id=second))

    world.run()

    assert "is not the anchored plan's id of batch" in stopped_because(world)
    assert list(everyone(world).values()).count(0) == 7  # two batches of three, and the ghost


@pytest.mark.parametrize("index", [4, 10**9])
def test_a_batch_that_the_plan_does_not_have_is_not_paid(world: World, index: int) -> None:
    run_until(world, Job.PAY)
    last = f"{WEEK.id}/00003"
    stored = payouts_of(world)[last]
    payouts_of(world)[last] = replace(stored, payout=replace(stored.payout, index=index))

    world.run()

    assert f"{last} is not the anchored plan's id of batch {index}" in stopped_because(world)
    assert (
        list(everyone(world).values()).count(0) == 2
    )  # the ghost's reward, and the last batch's only reward


@pytest.mark.parametrize("position", [11, 12, 15, 40])
def test_a_reward_that_the_plan_does_not_have_stops_nobody(world: World, position: int) -> None:
    run_until(world, Job.PAY)
    ghost = rewards_of(world)[10]
    row = replace(ghost.reward.row, user=b"x" * 32)
    reward = replace(ghost.reward, position=position, row=row, user_id="another")
    rewards_of(world)[position] = replace(ghost, reward=reward)
    made = single_payout(WEEK, reward, wallet_named("user 0"))
    payouts_of(world)[made.id] = StoredPayout(made, b"")

    world.run()

    assert f"{made.id} is not the anchored plan's id of single {position}" in (
        stopped_because(world)
    )
    assert list(everyone(world).values()).count(0) == 1  # only the ghost's reward


def test_singles_whose_places_were_exchanged_are_not_settled_for_each_other(world: World) -> None:
    for name in ("ghost 1", "ghost 2"):
        world.add_user(name, wallet=None)
        world.contribute(name, 100)
    run_until(world, Job.PAY)
    first, second = (rewards_of(world)[position].reward for position in (11, 12))
    for mine, other in ((first, second), (second, first)):
        made = single_payout(WEEK, mine, wallet_named("user 0"))
        payouts_of(world)[made.id] = StoredPayout(replace(made, index=other.position), b"")

    world.run()

    assert "is not the anchored plan's id of single 11" in stopped_because(world)
    assert {rewards_of(world)[i].reward.status for i in (11, 12)} == {Status.PENDING}


def test_a_single_that_was_paid_is_not_paid_again_under_another_week(world: World) -> None:
    world.run()
    give_a_wallet(world)
    world.run()
    paid = balance(world, "ghost")
    assert paid
    row = rewards_of(world)[10].reward.row
    other = WEEK.next()

    rename(world, single_id(WEEK, row.user), single_id(other, row.user), week=other)
    world.run()

    assert balance(world, "ghost") == paid
    assert "is not the anchored plan's id of single 10" in (world.distribution().reason or "")


def test_an_amount_that_changes_while_singles_are_paid_is_not_paid(world: World) -> None:
    ghosts = [f"ghost {i}" for i in range(20)]
    for name in ghosts:
        world.add_user(name, wallet=None)
        world.contribute(name, 100)
    world.run()
    for name in ghosts:
        world.open_account(name)
        facts = {"wallet_address": wallet_named(name)}
        store_of(world.first).set_user_fields(ObjectId(user_id_of(name)), **facts)
    world.clock.sleep(7 * 3600)
    positions = {p.payout.index for p in payouts_of(world).values()}
    changed: list[int] = []

    def change_one_more(method: str) -> None:
        if method == "send" and not changed:
            unsigned = [p.payout for p in payouts_of(world).values() if not p.payout.attempt]
            changed.append(unsigned[-1].index)
            change_amount(world, changed[0], 100)

    assert len(positions) < 20  # the run makes their payouts
    chain_of(world.first).after = change_one_more
    world.run()

    planned = {rewards_of(world)[i].reward.row.amount for i in range(11, 30)} - {
        rewards_of(world)[changed[0]].reward.row.amount
    }
    paid = world.balances(ghosts)
    assert sorted(paid.values())[0] == 0
    assert set(paid.values()) - {0} <= planned
    assert "does not match the anchored plan" in (world.distribution().reason or "")


def test_receipts_that_cannot_be_read_for_days_stop_no_week(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_until(world, Job.ACCOUNTS)
    chain = chain_of(world.first)
    read = chain.receipts

    def unknown(ids: list[str], **options: Any) -> dict[str, ReceiptState]:
        """One of two nodes has stood still since before the anchor."""
        found = read(ids, **options)
        return {i: s if i.startswith("genesis") else ReceiptState.UNKNOWN for i, s in found.items()}

    monkeypatch.setattr(chain, "receipts", unknown)
    for _ in range(40 * 12):
        sweep(world)
    assert not world.distribution().stopped
    monkeypatch.setattr(chain, "receipts", read)
    for _ in range(12):
        sweep(world)
    assert world.distribution().stage is Stage.COMPLETED


def sweep(world: World) -> None:
    for work in find_work(world.first):
        with contextlib.suppress(NotReady):
            world.do(world.first, work)
    world.clock.sleep(300)


def test_waiting_for_a_wallet_is_no_failed_try(world: World) -> None:
    world.run()
    give_a_wallet(world)
    run_until(world, Job.PAY)
    change_account = world.ledger.change_token_account
    change_account(token_address(wallet_named("ghost")), frozen=True)
    world.clock.sleep(30)
    for _ in range(14):
        world.run()
        world.clock.sleep(A_DAY + 60)
    change_account(token_address(wallet_named("ghost")), frozen=False)
    world.clock.sleep(30)
    chain_of(world.first).refuses_sends = "node: cannot read it"
    for work in find_work(world.first, only=WEEK):
        world.do(world.first, work)
    chain_of(world.first).refuses_sends = None

    world.clock.sleep(A_DAY)
    world.run()

    assert not world.distribution().stopped
    assert balance(world, "ghost")


def test_rewards_marked_after_they_were_settled_are_settled_again(world: World) -> None:
    run_until(world, Job.CLOSE)
    state = store_of(world.first).state
    for position in range(3):
        state.put_reward(rewards_of(world)[position], status=Status.PROCESSING, signature=None)

    world.run()

    assert world.distribution().stage is Stage.COMPLETED
    assert {rewards_of(world)[i].reward.status for i in range(10)} == {Status.COMPLETED}
    assert all(rewards_of(world)[i].reward.signature for i in range(10))
