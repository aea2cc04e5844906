"""A payment may land one block after its last valid height: nothing new is signed before that."""

from __future__ import annotations

import pytest

from tests.fakes.world import WEEK, World
from worker.core.payout import decision
from worker.core.payout.chain import SignatureStatus
from worker.core.payout.decision import YOUNG, Step
from worker.core.payout.records import Attempt, PayoutKind
from worker.core.plan.receipts import ReceiptState
from worker.services.payout import pay
from worker.services.plan.cluster import look
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work


def do(world: World, *jobs: Job, seconds: float = 600) -> None:
    for job in jobs:
        do_work(world.first, Work(job, WEEK, 0, 100), seconds=seconds)


def attempts(world: World) -> list[Attempt]:
    payouts = world.first.store.payouts_after(world.distribution().plan_id or "", "", 100)
    batches = [each for each in payouts if each.kind is PayoutKind.BATCH]
    return [each.attempt for each in batches if each.attempt is not None]


def pay_in_the_last_block(world: World) -> tuple[list[Attempt], list[Attempt]]:
    """The attempts of a week's batches before and after their last block was executed.

    The payments land in the last block that takes them. That block is not final yet when the
    worker looks again.
    """
    world.populate(6)
    world.genesis()
    do(world, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    ledger = world.ledger
    ledger.holds_sends = True
    do(world, Job.PAY, seconds=1)
    first = attempts(world)
    world.clock.sleep(YOUNG.total_seconds())
    (last_valid,) = {each.last_valid_block_height for each in first}
    ledger.advance(last_valid + 1 - ledger.block(0).height)
    ledger.deliver()
    ledger.advance(last_valid - ledger.block(ledger.finalized_lag_slots).height)

    do(world, Job.PAY, seconds=1)

    return first, attempts(world)


def test_a_payment_that_lands_in_its_last_block_is_not_signed_again() -> None:
    world = World()

    first, later = pay_in_the_last_block(world)

    assert {each.signature for each in first} <= world.ledger.landed.keys()
    assert later == first
    world.ledger.holds_sends = False
    world.run()
    assert all(landed.error is None for landed in world.ledger.landed.values())
    assert len(world.ledger.payments()) == len(first)


def test_a_worker_that_gives_up_one_block_too_early_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(
        receipt: ReceiptState | None,
        attempt: Attempt | None,
        status: SignatureStatus | None,
        finalized_block_height: int,
    ) -> Step:
        return decision.next_step(receipt, attempt, status, finalized_block_height + 1)

    def always(*_: object) -> bool:
        return True

    monkeypatch.setattr(pay, "next_step", hasty)
    monkeypatch.setattr(look, "may_be_resolved", always)
    world = World()

    first, later = pay_in_the_last_block(world)

    assert later != first
