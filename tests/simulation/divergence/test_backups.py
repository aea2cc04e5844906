"""Lost databases, and restored old backups.

The chain decides, and not the database. The auditor never finds a second payment, and the week
closes by itself or shows the reason why not.
"""

from __future__ import annotations

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.store.state import State
from tests.fakes.world import WEEK, World, store_of
from tests.simulation.divergence.histories import (
    NAMES,
    do,
    freeze,
    freeze_after_planning,
    frozen_wallet,
    is_seen,
    is_whole,
    paid_to,
    rebuild,
    sweep_stage,
)
from tests.simulation.facts import POOL, inputs_of
from tests.simulation.faults.sweeping import assert_clean, is_closed, sweep, sweep_until_closed
from worker.core.lifecycle import Stage, Status
from worker.services.week.story import Job


def backups(world: World) -> dict[str, State]:
    """Play a week with a voided batch, and keep a backup from every moment."""
    store, taken = store_of(world.first), {}
    taken["before the plan"] = store.snapshot()
    sweep_stage(world.first, Stage.PLANNED)
    taken["after the plan"] = store.snapshot()
    freeze(world)
    do(world.first, Job.ANCHOR)
    taken["after the anchor"] = store.snapshot()
    do(world.first, Job.ACCOUNTS)
    do(world.first, Job.PAY, 1, 2)
    taken["in the middle"] = store.snapshot()
    do(world.first, Job.PAY, 0, 1)
    taken["after a void"] = store.snapshot()
    do(world.first, Job.SINGLES)
    taken["after singles were made"] = store.snapshot()
    sweep_until_closed(world)
    taken["after the end"] = store.snapshot()
    return taken


MOMENTS = [
    "before the plan",
    "after the plan",
    "after the anchor",
    "in the middle",
    "after a void",
    "after singles were made",
    "after the end",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_any_moment_put_back_after_the_end_moves_nothing(
    world: World, moment: str
) -> None:
    taken = backups(world)
    before = world.balances(NAMES)
    store_of(world.first).restore(taken[moment])
    sweep_until_closed(world)
    assert world.balances(NAMES) == before
    assert_clean(world)


@pytest.mark.parametrize("table", ["weeks", "rewards", "payouts", "first_week"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup_of_a_single_collection_pays_nobody_twice_and_a_rebuild_mends_it(
    world: World, moment: str, table: str
) -> None:
    taken = backups(world)
    before = world.balances(NAMES)
    store = store_of(world.first)
    store.restore(taken["after the end"])
    setattr(store.state, table, getattr(taken[moment].copy(), table))
    store.requeue(WEEK)
    for _ in range(5):
        sweep(world.first)
        world.clock.sleep(300)
    assert world.balances(NAMES) == before
    assert is_whole(world) or is_seen(world)
    rebuild(world)
    sweep_until_closed(world)
    assert world.balances(NAMES) == before
    assert_clean(world)


@pytest.mark.parametrize("table", ["weeks", "rewards", "payouts"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("present", ["after a void", "after singles were made"])
def test_a_collection_put_back_in_mid_week_pays_nobody_twice_and_forgets_nobody(
    present: str, moment: str, table: str, world: World
) -> None:
    taken = backups(world)
    store = store_of(world.first)
    store.restore(taken[present])
    setattr(store.state, table, getattr(taken[moment].copy(), table))
    for _ in range(5):
        sweep(world.first)
        world.clock.sleep(300)
    assert is_whole(world) or is_seen(world)
    rebuild(world)
    sweep_until_closed(world)
    assert_clean(world)


@pytest.mark.parametrize("table", ["rewards", "payouts"])
def test_a_lost_collection_stops_the_week_until_it_is_rebuilt(world: World, table: str) -> None:
    sweep_stage(world.first, Stage.PREPARED)
    do(world.first, Job.PAY, 0, 2)
    getattr(store_of(world.first).state, table).clear()
    sweep(world.first)
    assert not is_closed(world.first)
    assert world.distribution().reason
    rebuild(world)
    sweep_until_closed(world)
    assert paid_to(world) == POOL
    assert_clean(world)


def test_a_database_dropped_in_mid_week_is_rebuilt_by_the_sweeper_alone(world: World) -> None:
    freeze_after_planning(world)
    do(world.first, Job.ACCOUNTS)
    do(world.first, Job.PAY, 0, 2)
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()
    sweep_until_closed(world)
    assert world.ledger.balance(frozen_wallet(world)) == 0
    assert_clean(world)


def test_a_held_reward_that_was_paid_alone_is_known_as_paid_after_a_rebuild(world: World) -> None:
    ghost = world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    sweep_until_closed(world)
    world.open_account("ghost")
    fields = store_of(world.first)
    fields.set_user_fields(ObjectId(ghost), wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    sweep(world.first)
    assert world.ledger.balance(wallet_named("ghost")) > 0
    inputs = inputs_of(world)
    fields.set_user_fields(ObjectId(ghost), wallet_address=wallet_named("another one"))
    fields.state.weeks.clear()
    sweep_until_closed(world)
    reward = world.first.store.reward(WEEK, ghost)
    assert reward is not None
    assert reward.status is Status.COMPLETED
    assert_clean(world, inputs=inputs)
