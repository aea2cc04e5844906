"""An attacker with access to the broker can wake work and nothing else: the plan decides."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.fakes.world import WEEK, World
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN
RANGES = [(0, 0), (0, 1), (0, 2**31), (5, 6), (10**6, 10**6 + 1), (3, 1)]
WEEKS = [WEEK, WEEK, WEEK.previous(), WEEK.next(), Week.parse("1999-W01"), Week.parse("2999-W01")]


def forge(generator: random.Random) -> Work:
    """A stranger's message: any job, any week, any range."""
    return Work(generator.choice(list(Job)), generator.choice(WEEKS), *generator.choice(RANGES))


@pytest.mark.parametrize("seed", range(12))
def test_forged_and_replayed_messages_in_any_order_pay_the_plan_and_nothing_else(
    world: World, seed: int
) -> None:
    names = world.populate(9)
    world.genesis()
    generator = random.Random(seed)
    for _ in range(40):
        with contextlib.suppress(KontribError):
            do_work(world.first, forge(generator), seconds=5, at_once=generator.random() < 0.3)
    world.first.store.requeue(WEEK)
    world.clock.sleep(3600)
    world.run()
    assert sum(world.balances(names).values()) == POOL
    assert len(world.ledger.payments()) == 3  # three batches, once each
    assert reconcile(world.first, world.distribution()).is_exact


def test_before_the_anchor_no_message_pays_anything(world: World) -> None:
    world.populate(3)
    world.genesis()
    do_work(world.first, Work(Job.PLAN, WEEK), seconds=5)
    for job in (Job.ACCOUNTS, Job.PAY, Job.SINGLES, Job.CLOSE):
        with contextlib.suppress(KontribError):
            do_work(world.first, Work(job, WEEK, 0, 2**31), seconds=5)
    assert world.distribution().stage is Stage.PLANNED
    assert world.ledger.payments() == []


def test_a_message_cannot_plan_a_week_that_is_not_over(world: World) -> None:
    world.populate(3)
    world.genesis()
    with pytest.raises(KontribError):
        do_work(world.first, Work(Job.PLAN, WEEK.next()), seconds=5, at_once=True)
    assert world.first.store.distribution(WEEK.next()) is None
