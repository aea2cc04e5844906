"""A week of 2,000 rewards through the endpoints of the real world, beside the same week in calm."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.local.chain.rpc.conditions import Conditions
from deploy.local.chain.rpc.methods import METHODS
from deploy.local.stack import LocalStack
from tests.chaos.records import incomplete_rewards
from tests.chaos.world import World, world
from tests.end_to_end.support.balances import call
from worker.core.lifecycle import Stage

pytestmark = pytest.mark.real

USERS = int(os.environ.get("POOL_USERS", "2000"))
SEED = int(os.environ.get("SEED", "20241209"))
MOST_LAG_BLOCKS = 8
LOST_PERCENT = 5.0
PRODUCTION = {"BATCHES_IN_FLIGHT": "64", "BATCHES_PER_TASK": "256"}
"""A worker's usual pace, since this test is about a whole week and not about its middle."""

Record = Callable[[str, object], None]


def pool(seed: int, *, third: Conditions) -> list[Conditions]:
    """Two endpoints whose every method lags by a number of its own, and a third that is gone.

    Transactions go to every endpoint. Both living ones lose so many that the share of sends which
    reach neither is `LOST_PERCENT`.
    """
    drawn = random.Random(seed)
    lost_by_each = 100 * math.sqrt(LOST_PERCENT / 100)
    living = [
        Conditions(
            lag_blocks={method: drawn.randint(0, MOST_LAG_BLOCKS) for method in sorted(METHODS)},
            lost_sends_percent=lost_by_each,
            seed=drawn.randrange(2**32),
        )
        for _ in range(2)
    ]
    endpoints = [*living, third]
    drawn.shuffle(endpoints)
    return endpoints


def test_a_week_through_a_lagging_pool_is_paid_as_exactly_as_a_calm_one(
    local_stack: LocalStack, tmp_path: Path, record_property: Record
) -> None:
    calm = blocks_of_a_week(local_stack, tmp_path / "calm", [Conditions()] * 3)
    dead = pool(SEED, third=Conditions(dead=True))
    troubled = blocks_of_a_week(local_stack, tmp_path / "dead", dead)
    silent = pool(SEED + 1, third=Conditions(silent=True))
    slow = blocks_of_a_week(local_stack, tmp_path / "silent", silent)

    record_property(
        f"a week of {USERS} rewards, blocks from plan to close",
        f"{calm} in calm, {troubled} through a lagging pool with a dead endpoint, "
        f"{slow} with a silent one (seed {SEED})",
    )


def blocks_of_a_week(stack: LocalStack, folder: Path, endpoints: Sequence[Conditions]) -> int:
    """Pay a week through endpoints, check it, and return the blocks that it took."""
    folder.mkdir()
    with world(stack, folder, weeks=1, users=USERS, pool=endpoints, **PRODUCTION) as made:
        (week,) = made.weeks
        made.cluster.start_worker(concurrency=2)
        made.cluster.start_beat()
        made.wait_for_stage(week, Stage.PLANNED)
        first = height(made)
        made.wait_until_closed(week, seconds=600)
        blocks = height(made) - first
        made.check([week])
        assert incomplete_rewards(made, week) == []
    return blocks


def height(made: World) -> int:
    """The block height of the chain."""
    url = made.cluster.variables["SOLANA_RPC_URL"]
    return int(call(url, "getBlockHeight", {"commitment": "processed"}))
