"""Changed keys, and a changed mint.

The chain decides, and not the database. The auditor never finds a second payment, and the week
closes by itself or shows the reason why not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, restarted
from tests.simulation.divergence.histories import (
    NAMES,
    do,
    paid_to,
    sweep_stage,
)
from tests.simulation.facts import POOL
from tests.simulation.faults.sweeping import assert_clean, sweep, sweep_until_closed
from worker.core.lifecycle import Stage
from worker.services.context import Context
from worker.services.plan.genesis import NoGenesis, WeekAnchoredBefore, make_genesis
from worker.services.plan.plan_week import plan_week
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work


def with_chain(context: Context, **keys: str) -> Context:
    """The same operator with other keys."""
    chain = chain_of(context)
    other = FakeChain(chain.ledger, source=chain.source, transfers_per_transaction=2, **keys)  # type: ignore[arg-type]
    return restarted(replace(context, chain=other))


def test_another_receipt_key_pays_nothing_of_a_week_that_was_begun(world: World) -> None:
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 1)
    before = world.balances(NAMES)
    changed = with_chain(world.first, authority="authority", receipt_key="another key")
    failures = sweep(changed)
    with pytest.raises(WeekAnchoredBefore, match="2024-W51"):
        make_genesis(changed, WEEK)
    assert "NoGenesis" in failures
    assert world.balances(NAMES) == before


def test_a_new_receipt_key_begins_after_the_last_anchored_week(world: World) -> None:
    sweep_until_closed(world)
    for name in NAMES:
        world.contribute(name, 70, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    changed = with_chain(world.first, authority="authority", receipt_key="another key")
    with pytest.raises(NoGenesis):
        plan_week(changed, WEEK.next())
    make_genesis(changed, WEEK.next())
    sweep_until_closed(world, changed, week=WEEK.next())
    assert paid_to(world) == 2 * POOL


def test_a_payout_authority_is_rotated_in_mid_week_while_the_receipt_key_stays() -> None:
    world = World(batch_size=2)
    chain = chain_of(world.first)
    chain.receipt_key = "receipts"
    world.populate(len(NAMES))
    world.genesis()
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 1)
    rotated = with_chain(world.first, authority="new authority", receipt_key="receipts")
    world.ledger.change_token_account(chain.source, owner="new authority")
    world.ledger.give_lamports("new authority", 10**12)
    world.clock.sleep(20)
    sweep_until_closed(world, rotated)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_another_mint_stops_a_week_that_was_begun(world: World) -> None:
    sweep_until_closed(world)
    for name in NAMES:
        world.contribute(name, 70, week=WEEK.next())
    world.clock.sleep(timedelta(days=7).total_seconds())
    do_work(world.first, Work(Job.PLAN, WEEK.next()), seconds=600)
    world.ledger.mint = "another mint"
    failures = sweep(world.first)
    assert "NoGenesis" in failures
    assert paid_to(world) == POOL
