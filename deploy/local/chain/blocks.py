"""Slots, blocks, blockhashes and commitment levels of the local chain.

A block is opened at the start of its slot and takes transactions until the next one is opened.
Commitment is a matter of distance: the *processed* block is the open one, the *confirmed* and
*finalized* ones are the newest blocks at least so many slots behind it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import IntEnum

from solders.hash import Hash

MAX_BLOCKHASH_AGE_BLOCKS = 150
"""A transaction may use a blockhash up to this many blocks old, counted in block height."""

MAX_LAG_SLOTS = 128
"""The longest configurable lag: a finalized bank still needs blockhashes of its own to check."""

KEPT_EMPTY_BLOCKS = 5_000
"""Older blocks are forgotten when they hold no transaction, so that an idle chain stays small."""


class Commitment(IntEnum):
    """How settled a block is; a higher level lags further behind."""

    PROCESSED = 0
    CONFIRMED = 1
    FINALIZED = 2

    @property
    def label(self) -> str:
        """The level as JSON-RPC spells it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Block:
    """One block; `unix_seconds` is the time of the cluster clock when its slot began."""

    slot: int
    height: int
    parent_slot: int
    blockhash: Hash
    unix_seconds: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How many slots the confirmed and the finalized block stay behind the open one."""

    confirmed_slots: int = 2
    finalized_slots: int = 32

    def __post_init__(self) -> None:
        """Refuse an order of commitments that no cluster has."""
        if not 0 <= self.confirmed_slots <= self.finalized_slots <= MAX_LAG_SLOTS:
            raise ValueError(f"expected 0 <= confirmed <= finalized <= {MAX_LAG_SLOTS}: {self}")


class BlockQueue:
    """The blocks of one chain, newest last, and the blockhashes that are still good."""

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
        """Return the block a new chain begins with."""
        return Block(slot, height, slot - 1, block_hash(seed, slot), unix_seconds)

    @property
    def tip(self) -> Block:
        """The open block, where transactions are executed."""
        return self._recent[-1]

    def at(self, commitment: Commitment) -> Block:
        """Return the newest block that has reached `commitment`."""
        return self._levels[commitment]

    def before(self, block: Block, count: int) -> Block:
        """Return the block `count` blocks before a recent one, or the oldest recent one."""
        if not count:
            return block
        height = max(block.height - count, self._recent[0].height)
        return self._recent[height - self._recent[0].height]

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
        """Close the open block and begin the next one; slots in between count as skipped.

        `in_use` holds the slots that must be remembered because they have transactions.
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

    def age_blocks(self, blockhash: Hash, bank: Block) -> int | None:
        """Return the age of a blockhash as `bank` sees it; None if that bank does not accept it."""
        height = self._heights.get(blockhash)
        if height is None or not 0 <= bank.height - height <= MAX_BLOCKHASH_AGE_BLOCKS:
            return None
        return bank.height - height

    def drop_after(self, block: Block, *, unix_seconds: int) -> Block:
        """Abandon every block after `block` and open another fork on top of it.

        The new block takes the next free slot: slots never go back while the block height does,
        and no blockhash of the abandoned fork comes again.
        """
        last_slot = self.tip.slot
        while self.tip.slot > block.slot:
            dropped = self._recent.pop()
            del self._blocks[dropped.slot]
            del self._heights[dropped.blockhash]
        return self.open(slot=last_slot + 1, unix_seconds=unix_seconds, in_use=())

    def _forget_empty(self, in_use: Container[int]) -> None:
        """Forget blocks that fell out of the kept range, unless they have transactions."""
        while (oldest := next(iter(self._blocks))) < self.tip.slot - KEPT_EMPTY_BLOCKS:
            block = self._blocks.pop(oldest)
            if oldest in in_use:
                self._archived[oldest] = block

    def _settle(self) -> None:
        """Move each level forward to the newest block that lags enough; never backwards."""
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
    """Derive a blockhash; the same seed gives the same hashes again, and no slot is used twice."""
    return Hash.hash(b"kontrib/local/block" + seed + slot.to_bytes(8, "little"))


def genesis_hash(seed: bytes) -> Hash:
    """Derive the genesis hash, which names the cluster."""
    return Hash(hashlib.sha256(b"kontrib/local/genesis" + seed).digest())
