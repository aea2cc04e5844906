"""Reads the stored rewards and payouts of one plan, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import Header, Row
from worker.core.plan.planned_week import PlannedWeek
from worker.ports.check import CheckStore, StoredReward

CHUNK_REWARDS = 2000
BEYOND = 2**31
"""More than the number of rewards in any plan."""

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """Neighbouring rewards with all their payouts. `indexes` are their batches: none if held."""

    header: Header
    positions: range
    indexes: range
    rewards: dict[int, StoredReward]
    batches: dict[int, Fields]
    singles: dict[int, Fields]

    def rows(self) -> dict[int, Row]:
        """The rows that can be read, by position."""
        return {p: each.row for p, each in self.rewards.items() if each.row is not None}

    def rows_of_batch(self, index: int) -> list[Row]:
        """The rows that can be read. A missing row changes the batch's root."""
        positions = self.header.batch_positions(index)
        found = (self.rewards[p].row for p in positions if p in self.rewards)
        return [row for row in found if row is not None]


class PlanPages:
    """The pages of one plan. The reader needs one page in memory at a time."""

    def __init__(self, store: CheckStore, plan: PlannedWeek) -> None:
        self._store, self._plan_id, self._header = store, plan.plan_id, plan.header

    def __iter__(self) -> Iterator[Page]:
        """All batches, then all held rewards. A forged header may promise far too many rewards, so
        the pages end after the last stored reward."""
        for positions, indexes in self._ranges():
            yield (page := self.read(positions, indexes))
            later = range(positions.stop, BEYOND)
            if not page.rewards and next(self._rewards(later), None) is None:
                return

    def _ranges(self) -> Iterator[tuple[range, range]]:
        header = self._header
        at_once = max(1, CHUNK_REWARDS // header.batch_size)
        for first in range(0, header.batches, at_once):
            indexes = range(first, min(first + at_once, header.batches))
            start = header.batch_positions(first).start
            yield range(start, header.batch_positions(indexes[-1]).stop), indexes
        for first in range(header.held_positions.start, header.rewards, CHUNK_REWARDS):
            yield range(first, min(first + CHUNK_REWARDS, header.rewards)), range(0)

    def read(self, positions: range, indexes: range) -> Page:
        """Read one page. Payments mark the rewards before the payout. So the payouts are read
        first: a payout that is read as paid then has rewards that are read as paid."""
        payouts = partial(self._store.plan_payouts, self._plan_id)
        # The query selects payouts by their index, so each index is a number.
        batches = {cast(int, each["index"]): each for each in payouts(PayoutKind.BATCH, indexes)}
        singles = {cast(int, each["index"]): each for each in payouts(PayoutKind.SINGLE, positions)}
        rewards = {reward.position: reward for reward in self._rewards(positions)}
        return Page(self._header, positions, indexes, rewards, batches, singles)

    def anchor(self) -> Fields | None:
        found = self._store.plan_payouts(self._plan_id, PayoutKind.ANCHOR, range(BEYOND))
        return next(found, None)

    def rewards_beyond(self) -> Iterator[StoredReward]:
        """Stored rewards whose positions are not in the plan."""
        return self._rewards(range(self._header.rewards, BEYOND))

    def payouts_beyond(self) -> Iterator[Fields]:
        """Stored batches and singles whose indexes are not in the plan."""
        ends = {PayoutKind.BATCH: self._header.batches, PayoutKind.SINGLE: self._header.rewards}
        for kind, end in ends.items():
            yield from self._store.plan_payouts(self._plan_id, kind, range(end, BEYOND))

    def _rewards(self, positions: range) -> Iterator[StoredReward]:
        return self._store.plan_rewards(self._plan_id, positions)
