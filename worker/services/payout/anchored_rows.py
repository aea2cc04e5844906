"""Stored rows and rewards of a plan, proven against its anchored root before they are used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from worker.core.chunks import chunks
from worker.core.payout.records import Payout, Reward
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row, Seal, rows_root
from worker.core.plan.merkle import leaf_hash
from worker.core.plan.planned_week import PlannedWeek
from worker.services.context import Context
from worker.services.plan.seal import stored_rows

LEAF_BYTES = 32
BATCHES_READ = 32
"""Neighbouring batches that share one query. Its decoded answer takes some 5 MB."""


class AnchoredRows:
    """Reads the rows of one plan. `seal` is the plan's seal, confirmed by the chain."""

    def __init__(self, context: Context, planned: PlannedWeek, seal: Seal) -> None:
        self.context, self.planned, self.seal = context, planned, seal
        self._held_leaves = bytearray()

    def at(self, position: int) -> Row | None:
        """The stored row at a position, without a proof."""
        return next(self._stored(range(position, position + 1)), None)

    def of_batch(self, index: int) -> list[Row]:
        """The proven rows of a batch.

        Raises:
            PlanDoesNotMatchRoot: a row is missing, extra or changed.
        """
        rows = list(self._stored(self.seal.header.batch_positions(index)))
        self.seal.check_batch(index, rows)
        return rows

    def of_batches(
        self, payouts: Sequence[Payout]
    ) -> Iterator[tuple[Payout, list[Row] | PlanDoesNotMatchRoot]]:
        """The proven rows of each batch, or the error of the proof. Neighbours share one query."""
        header = self.seal.header
        runs = (part for run in runs_of_neighbours(payouts) for part in chunks(run, BATCHES_READ))
        for run in runs:
            first = header.batch_positions(run[0].index).start
            last = header.batch_positions(run[-1].index).stop
            rows = self._stored(range(first, last))
            for payout in run:
                size = len(header.batch_positions(payout.index))
                batch = list(itertools.islice(rows, size))
                try:
                    # Read the batch alone: a missing row shifts the rows of its neighbours.
                    if rows_root(batch) != self.seal.batch_roots[payout.index]:
                        batch = self.of_batch(payout.index)
                except PlanDoesNotMatchRoot as error:
                    yield payout, error
                else:
                    yield payout, batch

    def leaves(self, batch: int | None, singles: Sequence[Payout]) -> dict[str, bytes]:
        """The leaf hashes of these singles' proven rows, by payout id.

        `batch`: the batch of all these singles, or None if they are held.

        Raises:
            PlanDoesNotMatchRoot: a row of the batch, or any held row, is missing or changed.
        """
        header = self.seal.header
        if batch is not None:
            rows, first = self.of_batch(batch), header.batch_positions(batch).start
            return {p.id: leaf_hash(rows[p.index - first].canonical()) for p in singles}
        if not self._held_leaves:
            self._held_leaves = self._proven_held_leaves()
        places = ((p.id, (p.index - header.held_positions.start) * LEAF_BYTES) for p in singles)
        return {i: bytes(self._held_leaves[at : at + LEAF_BYTES]) for i, at in places}

    def _proven_held_leaves(self) -> bytearray:
        """Prove all held rows once. Only their hashes stay in memory."""
        leaves = bytearray()

        def remembered() -> Iterator[Row]:
            positions = self.seal.header.held_positions
            for row in stored_rows(self.context, self.planned.plan_id, positions):
                leaves.extend(leaf_hash(row.canonical()))
                yield row

        self.seal.check_held(remembered())
        return leaves

    def reward(self, payout: Payout, leaf: bytes) -> Reward:
        """The reward of a single, read again just before it is signed.

        Raises:
            PlanDoesNotMatchRoot: the row has another leaf hash than the proven one.
        """
        position = range(payout.index, payout.index + 1)
        rewards = self.context.store.rewards(self.planned.plan_id, position)
        found = [leaf_hash(reward.row.canonical()) for reward in rewards]
        if found != [leaf]:
            raise PlanDoesNotMatchRoot(f"The row of {payout.id}", leaf, b"".join(found[:1]))
        return rewards[0]

    def _stored(self, positions: range) -> Iterator[Row]:
        return self.context.store.rows(self.planned.plan_id, positions)


def runs_of_neighbours(payouts: Sequence[Payout]) -> Iterator[list[Payout]]:
    """Payouts in the order of their index, split at each missing index."""
    run: list[Payout] = []
    for payout in sorted(payouts, key=lambda each: each.index):
        if run and payout.index != run[-1].index + 1:
            yield run
            run = []
        run.append(payout)
    if run:
        yield run
