"""Real workers, Redis, database and chain, each killed or cut off in the middle of a week."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack
from tests.chaos.killing import Killer
from tests.chaos.scenarios import IN_CI, Scenario
from tests.chaos.world import BLOCKS_BEHIND, World, world
from worker.core.lifecycle import PayoutStatus, Stage

pytestmark = pytest.mark.real

FAULT_SECONDS = 5
GRACE_SECONDS = 60
SEED = int(os.environ.get("SEED", "20241209"))


def test_a_week_of_2000_is_paid_exactly_although_a_worker_process_is_killed_every_second(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    with world(local_stack, tmp_path, weeks=1, users=2_000, BATCHES_IN_FLIGHT="4") as killed:
        (week,) = killed.weeks
        killer = Killer(killed.cluster, SEED)
        killed.cluster.start_beat()
        killed.wait_for_stage(week, Stage.PLANNED)
        kills_while_paying = 0
        while kills_while_paying < 6 and not killed.cluster.is_closed(week):
            kills_while_paying += killed.has_signed(week)
            killer.kill_one()
            time.sleep(1)

        killed.wait_until_closed(week)

        killed.check([week])
        assert kills_while_paying > 0


def test_a_worker_that_is_asked_to_end_hands_its_payments_over(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    limits = {"BATCHES_IN_FLIGHT": "1", "BATCHES_PER_TASK": "1024"}
    with world(local_stack, tmp_path, weeks=1, users=171, **limits) as ending:
        (week,) = ending.weeks
        store = ending.cluster.context.store
        first = ending.cluster.start_worker("first", concurrency=1)
        ending.cluster.send("tasks.distribute")
        ending.wait_for_stage(week, Stage.PREPARED)
        ending.wait_until_in_the_middle(week)

        first.send_signal(signal.SIGTERM)

        assert first.wait(GRACE_SECONDS) == 0
        assert store.batch_counts(ending.known(week).plan_id or "").get(PayoutStatus.PENDING)
        # No beat runs, so only the message of the first worker can make the second worker continue.
        ending.cluster.start_worker("second", concurrency=1)
        ending.wait_until_closed(week)

        ending.check([week])


def test_three_weeks_without_beat_are_paid_oldest_first_each_once(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    with world(local_stack, tmp_path, weeks=3, users=60) as late:
        late.cluster.start_worker()
        late.wait(lambda: " ready" in late.cluster.log(), "the worker did not start")
        assert late.cluster.context.store.distributions() == []

        late.cluster.start_beat()
        for week in late.weeks:
            late.wait_until_closed(week)

        late.check(late.weeks)
        anchored = [late.anchor_slot(week) for week in late.weeks]
        assert anchored == sorted(set(anchored))


@pytest.fixture(scope="module")
def faulty(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Weeks that are approved one by one, each for another fault."""
    folder = tmp_path_factory.mktemp("faulty")
    with world(local_stack, folder, weeks=len(IN_CI), users=228, by_approval=True) as made:
        made.rpc.remember(BLOCKS_BEHIND)
        made.cluster.start_worker(concurrency=2)
        made.cluster.start_beat()
        yield made


@pytest.mark.parametrize("scenario", IN_CI, ids=[s.name for s in IN_CI])
def test_a_week_is_paid_exactly_although(faulty: World, scenario: Scenario) -> None:
    scenario.play(faulty, FAULT_SECONDS)

    faulty.check(faulty.played)
