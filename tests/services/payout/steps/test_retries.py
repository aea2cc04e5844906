"""A payment that was refused or has expired is signed as a retry; the first attempt is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import World, chain_of, store_of
from tests.simulation.faults.traps import do
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.chain import Blockhash, Intent
from worker.core.payout.records import PayoutKind
from worker.ports.payout import Signed
from worker.services.week.story import Job


@pytest.fixture
def signed(world: World) -> list[bool]:
    """Whether each payment was signed as a retry, of a week whose payments nobody lands."""
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    chain, seen = chain_of(world.first), list[bool]()

    def sign(intents: Sequence[Intent], blockhash: Blockhash) -> list[Signed]:
        seen.extend(intent.is_retry for intent in intents)
        return FakeChain.sign(chain, intents, blockhash)

    chain.sign = sign  # type: ignore[method-assign]
    world.ledger.holds_sends = True
    return seen


def test_an_expired_payment_is_signed_as_a_retry(world: World, signed: list[bool]) -> None:
    do(world.first, Job.PAY, seconds=1)
    first = list(signed)
    world.clock.sleep(200)
    do(world.first, Job.PAY, seconds=1)

    assert first
    assert not any(first)
    assert signed[len(first) :] == [True] * len(first)


@pytest.mark.parametrize(("attempts", "is_retry"), [(0, False), (1, True), (2, True)])
def test_a_payment_that_failed_before_it_was_signed_is_a_retry(
    world: World, signed: list[bool], attempts: int, is_retry: bool
) -> None:
    state, plan_id = store_of(world.first).state, world.distribution().plan_id or ""
    for stored in list(state.payouts[plan_id].values()):
        if stored.payout.kind is PayoutKind.BATCH:
            state.put_payout(stored, attempts=attempts)

    do(world.first, Job.PAY, seconds=1)

    assert signed
    assert set(signed) == {is_retry}


def test_a_transaction_that_vanished_is_sent_again_while_it_can_land(world: World) -> None:
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)
    world.ledger.holds_sends = True
    do(world.first, Job.PAY, seconds=1)
    lost = sorted(world.ledger.in_flight)
    for signature in lost:
        world.ledger.lose(signature)
    world.ledger.holds_sends = False
    do(world.first, Job.PAY, seconds=10)

    assert lost
    assert set(lost) <= world.ledger.landed.keys()


def test_a_final_payment_is_settled_long_before_its_blockhash_expires(world: World) -> None:
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS)

    do(world.first, Job.PAY, seconds=30)

    counts = world.first.store.batch_counts(world.distribution().plan_id or "")
    assert +Counter(counts) == {PayoutStatus.PAID: len(world.ledger.payments())}
