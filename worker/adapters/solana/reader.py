"""The part of a cluster's client that needs no key: genesis hash, heights, receipts, executions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from solders.pubkey import Pubkey

from worker.adapters.solana.reading.cluster import (
    read_cluster_genesis,
    read_finalized_height,
    read_finalized_time,
)
from worker.adapters.solana.reading.history import ExecutionHistory
from worker.adapters.solana.reading.receipt_states import read_receipts
from worker.adapters.solana.reading.search import search_execution
from worker.adapters.solana.rpc.endpoints import Rpc
from worker.core.errors import Unreachable
from worker.core.payout.chain import Execution, Height, Searched
from worker.core.payout.looks.heights import SeenHeights
from worker.core.plan.receipts import ReceiptState

GENESIS_REMEMBERED_SECONDS = 600.0
"""An endpoint that changes its cluster shows none of the genesis receipts, which name the hash."""


class ChainReader:
    """Reads the receipts of one base address. Makes no connection before its first call."""

    def __init__(self, rpc: Rpc, base: Pubkey, mint: str) -> None:
        self._rpc = rpc
        self._base = base
        self._heights = SeenHeights()
        self._genesis: tuple[float, str] | None = None
        self._mint_address = mint
        self._history = ExecutionHistory(rpc, base, mint)

    def close(self) -> None:
        """Close this process's connections."""
        self._rpc.close()

    def cluster_genesis(self) -> str:
        now = time.monotonic()
        if self._genesis is None or now - self._genesis[0] > GENESIS_REMEMBERED_SECONDS:
            self._genesis = now, read_cluster_genesis(self._rpc)
        return self._genesis[1]

    def receipts(self, ids: Sequence[str], *, not_before_slot: int = 0) -> dict[str, ReceiptState]:
        states, slot = read_receipts(self._rpc, self._base, ids, not_before_slot)
        if slot is not None:
            self._heights.receipts_read_at(slot)
        return states

    def finalized_height(self) -> Height:
        height = self._heights.usable(read_finalized_height(self._rpc))
        if height is None:
            why = ["no majority of the endpoints has reported a block height", *self._rpc.troubles]
            raise Unreachable("; ".join(why))
        return height

    def finalized_time(self) -> datetime:
        return read_finalized_time(self._rpc)

    def executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        return self._history.find(ids)

    def executions_of(self, signatures: Mapping[str, str]) -> dict[str, Execution]:
        return self._history.read(signatures)

    def search_execution(self, receipt_id: str, place: str | None) -> Searched:
        return search_execution(self._rpc, self._base, self._mint_address, receipt_id, place)
