"""Slots, blocks, blockhashes and commitment levels of the local chain.

A block opens at the start of its slot and takes transactions until the next block opens.
Commitment is a distance: the *processed* block is the open one. The *confirmed* and *finalized*
blocks are the newest blocks that are at least a set number of slots behind it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import IntEnum

from solders.hash import Hash

MAX_BLOCKHASH_AGE_BLOCKS = 150
"""The maximal age of a usable blockhash, in block height.

While a validator executes a block, the newest hash in its queue is the hash of the parent, with
age 0. So a transaction still lands in the block *after* its last valid block height, which is the
height of its blockhash plus 150 (agave: `BlockhashQueue::is_hash_valid_for_age`, and
`Bank::get_blockhash_last_valid_block_height` of the finished block).
"""

MAX_LAG_SLOTS = 128
"""The longest configurable lag, so that a finalized bank still accepts some blockhashes."""

KEPT_EMPTY_BLOCKS = 5_000
"""Older blocks without transactions are forgotten, so that an idle chain stays small."""


class Commitment(IntEnum):
    """The settlement of a block. A higher level lags further behind."""

    PROCESSED = 0
    CONFIRMED = 1
    FINALIZED = 2

    @property
    def label(self) -> str:
        """The JSON-RPC name of the level."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Block:
    """One block; `unix_seconds` is the cluster clock at the start of its slot."""

    slot: int
    height: int
    parent_slot: int
    blockhash: Hash
    unix_seconds: int


@dataclass(frozen=True, slots=True)
class Lag:
    """The slots by which the confirmed and the finalized block lag behind the open one."""

    confirmed_slots: int = 2
    finalized_slots: int = 32

    def __post_init__(self) -> None:
        """Refuse a finalized block ahead of the confirmed one, and a lag that is too long."""
        if not 0 <= self.confirmed_slots <= self.finalized_slots <= MAX_LAG_SLOTS:
            raise ValueError(f"expected 0 <= confirmed <= finalized <= {MAX_LAG_SLOTS}: {self}")


class BlockQueue:
    """The blocks of one chain, newest last, and the valid blockhashes."""

    def __init__(self, *, seed: bytes, lag: Lag, blocks: Iterable[Block]) -> None:
        """Continue from `blocks` (oldest first, at least one)."""
        self.lag = lag
        self._seed = seed
        self._blocks: dict[int, Block] = {block.slot: block for block in blocks}
        self._archived: dict[int, Block] = {}
        self._recent: deque[Block] = deque(maxlen=2 * MAX_BLOCKHASH_AGE_BLOCKS + MAX_LAG_SLOTS)
        self._recent.extend(list(self._blocks.values())[-(self._recent.maxlen or 0) :])
        self._heights = {block.blockhash: block.height for block in self._recent}
        self._levels = [self._recent[0]] * len(Commitment)
        self._settle()

    @staticmethod
    def first_block(*, seed: bytes, slot: int, height: int, unix_seconds: int) -> Block:
        """Return the first block of a new chain."""
        return Block(slot, height, slot - 1, block_hash(seed, slot), unix_seconds)

    @property
    def tip(self) -> Block:
        """The open block, in which transactions are executed."""
        return self._recent[-1]

    def at(self, commitment: Commitment) -> Block:
        """Return the newest block that has reached `commitment`."""
        return self._levels[commitment]

    def before(self, block: Block, count: int, *, not_before_slot: int = 0) -> Block:
        """Return the block `count` blocks before a recent one, or the oldest one in reach."""
        if not count:
            return block
        oldest = self._recent[0].height
        position = max(block.height - count, oldest) - oldest
        while self._recent[position].slot < min(not_before_slot, block.slot):
            position += 1
        return self._recent[position]

    def all(self) -> Iterable[Block]:
        """Return every remembered block, oldest first."""
        return [*self._archived.values(), *self._blocks.values()]

    def recent(self) -> Iterable[Block]:
        """Return the newest few hundred blocks, oldest first."""
        return self._recent

    def by_slot(self, slot: int) -> Block | None:
        """Return the block of a slot; None if it was skipped or is forgotten."""
        return self._blocks.get(slot) or self._archived.get(slot)

    def open(self, *, slot: int, unix_seconds: int, in_use: Container[int]) -> Block:
        """Close the open block and begin the next one. Slots in between count as skipped.

        `in_use` holds the slots with transactions, which must be remembered.
        """
        parent = self.tip
        if slot <= parent.slot:
            raise ValueError(f"slot {slot} is not after the open slot {parent.slot}")
        hashed = block_hash(self._seed, slot)
        block = Block(slot, parent.height + 1, parent.slot, hashed, unix_seconds)
        if len(self._recent) == self._recent.maxlen:
            del self._heights[self._recent[0].blockhash]
        self._recent.append(block)
        self._blocks[slot] = block
        self._heights[block.blockhash] = block.height
        self._forget_empty(in_use)
        self._settle()
        return block

    def knows(self, blockhash: Hash, bank: Block) -> bool:
        """Return True if the finished block `bank` accepts a blockhash."""
        height = self._heights.get(blockhash)
        return height is not None and 0 <= bank.height - height <= MAX_BLOCKHASH_AGE_BLOCKS

    def executes(self, blockhash: Hash) -> bool:
        """Return True if the open block executes transactions with a blockhash."""
        height = self._heights.get(blockhash)
        return height is not None and self.tip.height - height <= MAX_BLOCKHASH_AGE_BLOCKS + 1

    def drop_after(self, block: Block, *, unix_seconds: int) -> Block:
        """Abandon every block after `block` and open another fork on top of it.

        The new block takes the next free slot: block height goes back, slots never do, and no
        blockhash of the abandoned fork is used again.
        """
        last_slot = self.tip.slot
        while self.tip.slot > block.slot:
            dropped = self._recent.pop()
            del self._blocks[dropped.slot]
            del self._heights[dropped.blockhash]
        return self.open(slot=last_slot + 1, unix_seconds=unix_seconds, in_use=())

    def _forget_empty(self, in_use: Container[int]) -> None:
        """Forget blocks without transactions that fell out of the kept range."""
        while (oldest := next(iter(self._blocks))) < self.tip.slot - KEPT_EMPTY_BLOCKS:
            block = self._blocks.pop(oldest)
            if oldest in in_use:
                self._archived[oldest] = block

    def _settle(self) -> None:
        """Move each level forward to the newest block that lags enough, and never backwards."""
        lags = {
            Commitment.PROCESSED: 0,
            Commitment.CONFIRMED: self.lag.confirmed_slots,
            Commitment.FINALIZED: self.lag.finalized_slots,
        }
        for commitment, lag_slots in lags.items():
            newest = self.tip.slot - lag_slots
            for block in reversed(self._recent):
                if block.slot <= newest:
                    self._levels[commitment] = block
                    break


def block_hash(seed: bytes, slot: int) -> Hash:
    """Derive a blockhash. The same seed gives the same hashes, and each slot is used once."""
    return Hash.hash(b"kontrib/local/block" + seed + slot.to_bytes(8, "little"))


def genesis_hash(seed: bytes) -> Hash:
    """Derive the genesis hash, which names the cluster."""
    return Hash(hashlib.sha256(b"kontrib/local/genesis" + seed).digest())
