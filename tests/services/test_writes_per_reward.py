"""A usual week writes each reward twice, and reads it back once before it is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World
from worker.core.lifecycle import Stage
from worker.core.payout.records import Payout, Reward, Settlement
from worker.core.plan.commitment import Row
from worker.core.week import Week
from worker.services.week.story import Job, Work

REWARDS, BATCH = 9, 2


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many rewards each method of the store was given, or has returned."""
    seen: Counter[str] = Counter()
    write, rows = FakeStore.write_rewards, FakeStore.rows
    mark, settle = FakeStore.mark_processing, FakeStore.settle

    def write_rewards(
        self: FakeStore, rewards: Sequence[Reward], week: Week, now: datetime
    ) -> None:
        seen["written"] += len(rewards)
        write(self, rewards, week, now)

    def read_rows(self: FakeStore, plan_id: str, positions: range) -> Iterator[Row]:
        for row in rows(self, plan_id, positions):
            seen["read"] += 1
            yield row

    def mark_processing(self: FakeStore, payouts: Sequence[Payout]) -> None:
        seen["marked"] += sum(payout.rewards for payout in payouts)
        mark(self, payouts)

    def settled(self: FakeStore, settlements: Sequence[Settlement], now: datetime) -> None:
        seen["settled"] += sum(each.payout.rewards for each in settlements)
        settle(self, settlements, now)

    monkeypatch.setattr(FakeStore, "write_rewards", write_rewards)
    monkeypatch.setattr(FakeStore, "rows", read_rows)
    monkeypatch.setattr(FakeStore, "mark_processing", mark_processing)
    monkeypatch.setattr(FakeStore, "settle", settled)
    return seen


def test_a_reward_is_written_at_planning_and_at_settling(counted: Counter[str]) -> None:
    world = World(batch_size=BATCH)
    world.populate(REWARDS)
    world.genesis()

    world.do(world.first, Work(Job.PLAN, WEEK))
    assert counted == {"written": REWARDS, "read": REWARDS}

    for job in (Job.ANCHOR, Job.ACCOUNTS):
        world.do(world.first, Work(job, WEEK))
    world.do(world.first, Work(Job.PAY, WEEK, 0, -(-REWARDS // BATCH)))
    assert counted["settled"] == REWARDS
    assert counted["marked"] == 0

    world.do(world.first, Work(Job.CLOSE, WEEK))
    assert world.distribution().stage is Stage.COMPLETED
    assert counted["written"] + counted["marked"] + counted["settled"] == 2 * REWARDS
