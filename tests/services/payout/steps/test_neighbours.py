"""Rows of neighbouring batches are read together, and proven one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World, store_of
from tests.simulation.faults.traps import do
from worker.core.payout.records import Payout, PayoutKind
from worker.core.plan.commitment import Row
from worker.services.payout import anchored_rows
from worker.services.payout.anchored_rows import AnchoredRows, runs_of_neighbours
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal
from worker.services.week.story import Job


@pytest.fixture
def batches() -> tuple[World, list[Payout]]:
    """A week of five batches of two."""
    world = World(batch_size=2)
    world.populate(10)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR)
    found = world.first.store.payouts_after(world.distribution().plan_id or "", "", 100)
    return world, [payout for payout in found if payout.kind is PayoutKind.BATCH]


@pytest.mark.parametrize(
    ("indexes", "runs"),
    [
        ([], []),
        ([3], [[3]]),
        ([2, 0, 1], [[0, 1, 2]]),
        ([0, 2, 4], [[0], [2], [4]]),
        ([4, 3, 1, 0], [[0, 1], [3, 4]]),
    ],
)
def test_payouts_are_split_at_each_missing_index(
    batches: tuple[World, list[Payout]], indexes: list[int], runs: list[list[int]]
) -> None:
    _, payouts = batches
    found = runs_of_neighbours([payouts[index] for index in indexes])

    assert [[payout.index for payout in run] for run in found] == runs


@pytest.mark.parametrize(
    ("indexes", "most", "queries"),
    [
        ([0, 1, 2, 3, 4], 5, [range(10)]),
        ([0, 1, 2, 3, 4], 2, [range(4), range(4, 8), range(8, 10)]),
        ([1, 2], 5, [range(2, 6)]),
        ([0, 3, 4], 5, [range(2), range(6, 10)]),
    ],
)
def test_neighbours_share_one_query(
    monkeypatch: pytest.MonkeyPatch,
    batches: tuple[World, list[Payout]],
    indexes: list[int],
    most: int,
    queries: list[range],
) -> None:
    monkeypatch.setattr(anchored_rows, "BATCHES_READ", most)
    world, payouts = batches
    planned = planned_week(world.first.store, WEEK)
    rows = AnchoredRows(world.first, planned, anchored_seal(world.first, planned))
    store, asked = store_of(world.first), list[range]()

    def counted(plan_id: str, positions: range) -> Iterator[Row]:
        asked.append(positions)
        return FakeStore.rows(store, plan_id, positions)

    store.rows = counted  # type: ignore[method-assign]
    found = list(rows.of_batches([payouts[index] for index in indexes]))

    assert asked == queries
    for payout, batch in found:
        assert isinstance(batch, list)
        assert {row.batch for row in batch} == {payout.id}
        assert len(batch) == 2
