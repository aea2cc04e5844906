"""Blocks of the fake cluster: slots, heights, blockhashes and block times."""

from __future__ import annotations

import bisect
from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

BLOCKHASH_AGE_MAX = 150
STATUS_CACHE_SLOTS = 150
KEPT_BLOCKS = 600
SLOT_SECONDS = 0.4


class Block(NamedTuple):
    slot: int
    height: int
    blockhash: str


class FakeBlocks:
    """The recent blocks of one cluster. Slots are the only clock."""

    def __init__(self, *, confirmed_lag_slots: int = 1, finalized_lag_slots: int = 32) -> None:
        self.confirmed_lag_slots = confirmed_lag_slots
        self.finalized_lag_slots = finalized_lag_slots
        self._times: list[tuple[int, datetime]] = []
        self._forks = 0
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._open(1_000, 1_000)
        self.advance(finalized_lag_slots + 1)

    @property
    def slot(self) -> int:
        return self._blocks[-1].slot

    def time_of(self, slot: int) -> datetime | None:
        """The block time in whole seconds; None before the clock is set."""
        if not self._times:
            return None
        since = max(0, bisect.bisect_right(self._times, slot, key=lambda it: it[0]) - 1)
        first, moment = self._times[since]
        return (moment + timedelta(seconds=(slot - first) * SLOT_SECONDS)).replace(microsecond=0)

    def set_time(self, now: datetime) -> None:
        """Date the open slot, unless its time is right. Earlier slots keep their times."""
        known = self.time_of(self.slot)
        if known is None or abs(known - now) > timedelta(seconds=2):
            self._times.append((self.slot, now))

    def advance(self, slots: int = 1, *, skipped: int = 0) -> None:
        """Let `slots` slots pass. The first `skipped` of them have no block."""
        slot, height = self.slot + skipped, self._blocks[-1].height
        blocks = slots - skipped
        jumped = max(0, blocks - KEPT_BLOCKS)
        for number in range(jumped + 1, blocks + 1):
            self._open(slot + number, height + number)

    def finalize(self) -> None:
        """Let the least time pass that finalizes every landed transaction."""
        self.advance(self.finalized_lag_slots)

    def expire(self, blockhash_count: int = BLOCKHASH_AGE_MAX) -> None:
        """Let time pass until the expiry of every present blockhash is final."""
        self.advance(blockhash_count + 1 + self.finalized_lag_slots)

    @property
    def blocks_not_final(self) -> int:
        """The number of blocks that a fork can abandon. Each fork reduces it."""
        final = self.block(self.finalized_lag_slots).slot
        return sum(block.slot > final for block in self._blocks)

    def block(self, lag_slots: int) -> Block:
        """The newest block at least this many slots behind the open one."""
        newest = self.slot - lag_slots
        old_enough = (block for block in reversed(self._blocks) if block.slot <= newest)
        return next(old_enough, self._blocks[0])

    def _open(self, slot: int, height: int) -> None:
        self._blocks.append(Block(slot, height, f"block/{self._forks}/{slot}"))

    def abandon(self, depth: int) -> int:
        """Drop the last blocks, open the next slot, and return the last remaining slot.

        Slots never decrease, but block heights do.
        """
        if not 0 < depth <= self.blocks_not_final:
            raise ValueError(f"depth {depth} would undo finalized blocks")
        last_slot = self.slot
        for _ in range(depth):
            self._blocks.pop()
        base = self._blocks[-1]
        self._forks += 1
        self._open(last_slot + 1, base.height + 1)
        return base.slot

    def accepts(self, blockhash: str) -> bool:
        """Whether the open block executes transactions with this blockhash.

        It counts the age from its parent, so a blockhash lives one block longer than
        `last_valid_block_height` says.
        """
        oldest = self._blocks[-1].height - BLOCKHASH_AGE_MAX - 1
        return any(block.blockhash == blockhash for block in self._blocks if block.height >= oldest)
