"""Payments of a week whose plan is lost, as the chain alone shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, restarted, store_of, user_id_of
from worker.core.payout.chain import Intent, Transfer
from worker.core.payout.records import PayoutKind
from worker.core.plan.receipts import Resolution
from worker.services.context import Deadline
from worker.services.payout import rebuild
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.plan.seal import AnchorUnknown
from worker.services.week.story import Job, Work


def test_paid_void_and_open_batches_are_counted_and_every_transfer_is_listed() -> None:
    world = World(batch_size=2)
    world.populate(12)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    plan_id = world.distribution().plan_id or ""
    for position in (8, 10):
        (row,) = world.first.store.rows(plan_id, range(position, position + 1))
        world.ledger.change_token_account(token_address(row.wallet), frozen=True)
    world.clock.sleep(20)
    world.do(world.first, Work(Job.PAY, WEEK, 2, 6))
    world.ledger.finalize()

    found = recover_by_wallet(world.first, WEEK)

    assert (found.void_batches, found.open_batches) == (2, 2)
    assert found.location == world.archive.location(WEEK, found.memo.root)
    rows = list(world.first.store.rows(plan_id, range(4, 8)))
    landed = {it.request.memo: it for it in world.ledger.payments()}
    assert [
        (each.batch, each.signature, each.slot, each.transfer.wallet, each.transfer.amount)
        for each in found.paid
    ] == [
        (row.batch, landed[row.batch].signature, landed[row.batch].slot, row.wallet, row.amount)
        for row in rows
    ]
    assert found.missing == found.memo.total_amount - sum(row.amount for row in rows)


def test_every_batch_of_a_large_week_is_read(world: World) -> None:
    """More batches than are read at once, of which the last is paid."""
    world = World(batch_size=1)
    world.populate(501)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR):
        world.do(world.first, Work(job, WEEK))
    chain = chain_of(world.first)
    last = f"{WEEK.id}/00500"
    transfer = Transfer(wallet_named("user 0"), world.distribution().planned.header.rewards)
    intent = Intent((last,), Resolution.PAID, (transfer,), last)
    (signed,) = chain.sign([intent], chain.latest_blockhash())
    chain.send([(signed.signature, signed.wire)])
    world.ledger.finalize()

    found = recover_by_wallet(world.first, WEEK)

    assert [(each.batch, each.transfer) for each in found.paid] == [(last, transfer)]
    assert (found.void_batches, found.open_batches) == (0, 500)


@pytest.mark.parametrize("chunk", [1, 2, 3, 500])
def test_a_rebuild_counts_what_it_wrote_back(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(rebuild, "CHUNK", chunk)
    world = World(batch_size=2)
    world.populate(8)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(6, 7))
    world.ledger.change_token_account(token_address(row.wallet), frozen=True)
    world.clock.sleep(20)
    world.do(world.first, Work(Job.PAY, WEEK, 1, 4))
    world.open_account("ghost")
    user = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(user, wallet_address=wallet_named("ghost"))
    world.clock.sleep(24 * 3600)
    world.do(world.first, Work(Job.SINGLES, WEEK))
    world.do(world.first, Work(Job.PAY, WEEK, 8, 9))  # the held reward is the ninth

    rebuilt = rebuild_week(world.first, WEEK, Deadline(world.clock, 600))

    paid = sum(it.source_decrease for it in world.ledger.payments())
    assert (rebuilt.week, rebuilt.root) == (WEEK, world.distribution().root)
    assert (rebuilt.paid, rebuilt.void, rebuilt.open) == (3, 1, 1)
    assert (rebuilt.payouts, rebuilt.amount) == (5, paid)


def test_a_single_of_a_void_batch_keeps_the_wallet_of_the_plan(world: World) -> None:
    world.populate(3)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    address = token_address(wallet_named("user 0"))
    world.ledger.change_token_account(address, frozen=True)
    world.clock.sleep(20)
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))
    world.ledger.change_token_account(address, frozen=False)
    world.clock.sleep(24 * 3600)
    world.run()

    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))

    payouts = store_of(world.first).state.payouts[world.distribution().plan_id or ""]
    singles = {p.payout.index: p for p in payouts.values() if p.payout.kind is PayoutKind.SINGLE}
    rows = list(world.first.store.rows(world.distribution().plan_id or "", range(3)))
    assert [singles[i].payout.wallet for i in range(3)] == [row.wallet for row in rows]
    assert {each.root for each in singles.values()} == {b""}


def test_marks_of_an_earlier_rebuild_do_not_come_back(world: World) -> None:
    """A crashed rebuild left rewards with a hold that the operator has ended since."""
    world.populate(2)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    world.run()
    state = store_of(world.first).state
    for position, stored in list(state.rewards[world.distribution().plan_id or ""].items()):
        reward = replace(stored.reward, plan_id="an older one", operator_hold="asked by mail")
        state.rewards.setdefault("an older one", {})[position] = replace(stored, reward=reward)

    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))

    reward = world.first.store.reward(WEEK, user_id_of("ghost"))
    assert reward is not None
    assert reward.operator_hold is None
    assert list(state.rewards) == [world.distribution().plan_id]


def test_a_rebuild_waits_for_the_anchor_no_longer_than_its_deadline(world: World) -> None:
    world.populate(2)
    world.genesis()
    world.run()
    chain = chain_of(world.first)

    def fall_behind(method: str) -> None:
        if method == "finalized_height":
            chain.endpoints[0].down = True

    chain.endpoints.append(FakeEndpoint())
    chain.before = fall_behind
    began = world.clock.now()
    with pytest.raises(AnchorUnknown):
        rebuild_week(restarted(world.first), WEEK, Deadline(world.clock, 30))
    assert 30 <= (world.clock.now() - began).total_seconds() < 40
