"""Payments of a week whose plan is lost, as the chain alone shows them."""

from __future__ import annotations

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.receipts import Resolution
from worker.services.context import Deadline
from worker.services.payout.rebuild import rebuild_week, recover_by_wallet
from worker.services.week.story import Job, Work


def test_paid_void_and_open_batches_are_counted_and_every_transfer_is_listed() -> None:
    world = World(batch_size=2)
    world.populate(12)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    plan_id = world.distribution().plan_id or ""
    for position in (0, 2):
        (row,) = world.first.store.rows(plan_id, range(position, position + 1))
        world.ledger.change_token_account(token_address(row.wallet), frozen=True)
    world.clock.sleep(20)
    world.do(world.first, Work(Job.PAY, WEEK, 0, 4))
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


def test_a_rebuild_counts_what_it_wrote_back() -> None:
    world = World(batch_size=2)
    world.populate(8)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    world.ledger.change_token_account(token_address(row.wallet), frozen=True)
    world.clock.sleep(20)
    world.do(world.first, Work(Job.PAY, WEEK, 0, 3))
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
