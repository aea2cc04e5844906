"""Shared by the tests of diverging operators, databases and chains."""

from __future__ import annotations

from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, store_of
from tests.simulation.facts import audit_world
from tests.simulation.faults.sweeping import is_closed
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage
from worker.services.context import Context, Deadline
from worker.services.payout.rebuild import rebuild_week
from worker.services.payout.reconcile import reconcile
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work

NAMES = [f"user {i}" for i in range(8)]
BATCH_SIZE = 2


def rival_of(world: World, **chain: object) -> Context:
    """A second operator with the same keys and wiki, and a separate database."""
    rival = world.add_operator(**chain)
    store_of(rival).restore(store_of(world.first).snapshot())
    return rival


def frozen_wallet(world: World) -> str:
    """The first wallet of the first batch."""
    (row,) = world.first.store.rows(world.distribution().plan_id or "", range(1))
    return row.wallet


def freeze(world: World, *, frozen: bool = True) -> None:
    account = token_address(frozen_wallet(world))
    world.ledger.change_token_account(account, frozen=frozen)
    world.clock.sleep(20)


def do(context: Context, job: Job, first: int = 0, last: int = 0) -> None:
    do_work(context, Work(job, WEEK, first, last), seconds=600)


def rebuild(world: World) -> None:
    """Handle a week that stopped or was damaged, as an operator does."""
    rebuild_week(world.first, WEEK, Deadline(world.clock, 600))
    world.first.store.requeue(WEEK)


def is_whole(world: World) -> bool:
    """Whether the week is closed and the database agrees with the chain."""
    world.ledger.finalize()
    return is_closed(world.first) and audit_world(world).findings == []


def is_seen(world: World) -> bool:
    """Whether the week or the daily reconciliation reports the damage."""
    distribution = world.distribution()
    if distribution.reason:
        return True
    try:
        return not reconcile(world.first, distribution).is_exact
    except KontribError:
        return True


def paid_to(world: World) -> int:
    return sum(world.balances(NAMES).values())


def sweep_stage(context: Context, stage: Stage) -> None:
    """Work on the week until it reaches a stage."""
    jobs = {Stage.PLANNED: Job.PLAN, Stage.ANCHORED: Job.ANCHOR, Stage.PREPARED: Job.ACCOUNTS}
    for reached, job in jobs.items():
        do(context, job)
        if reached is stage:
            return


def freeze_after_planning(world: World) -> None:
    do(world.first, Job.PLAN)
    freeze(world)
    do(world.first, Job.ANCHOR)
