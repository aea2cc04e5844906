"""Chooses the pauses between looks at transactions under way.

Each look costs a call, and providers limit and charge calls. So a transaction that has landed is
looked at again when it is probably final. Nothing else depends on a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from worker.core.payout.chain import Landing, SignatureStatus

FINALITY_SLOTS = 32
"""A block is final this many slots later."""
LOOKS_UNSEEN = 2
"""An unseen transaction is looked at after this many of the shortest pauses."""
PAUSE_SECONDS_MAX = 15.0
SLOT_SECONDS_FIRST = 0.1
"""The length of a slot until it is measured. A short one costs a look more, and no time."""
SLOT_SECONDS_MAX = 1.0
MEASURED_FOR = timedelta(seconds=60)
MEASURED_SLOTS_MIN = 8


class Pace:
    """Measures the cluster's slots by the answers that a process gets."""

    def __init__(self) -> None:
        self._slot_seconds = SLOT_SECONDS_FIRST
        self._began: tuple[datetime, int] | None = None
        self._slots_left: float | None = None

    def look(self, statuses: Sequence[SignatureStatus], now: datetime) -> None:
        """Note the statuses of all transactions under way."""
        slot = max([0, *(it.read_at_slot for it in statuses)])
        if slot:
            self._measure(slot, now)
        left = [_slots_left(it) for it in statuses]
        self._slots_left = None if None in left else min((it for it in left if it), default=None)

    def pause_seconds(self, shortest: float) -> float:
        """The time until one of the transactions that the last look saw is probably final."""
        if self._slots_left is None:
            return LOOKS_UNSEEN * shortest
        return max(shortest, min(PAUSE_SECONDS_MAX, self._slots_left * self._slot_seconds))

    def _measure(self, slot: int, now: datetime) -> None:
        if self._began is None or not timedelta() <= now - self._began[0] < MEASURED_FOR:
            self._began = now, slot
        slots, seconds = slot - self._began[1], (now - self._began[0]).total_seconds()
        if slots >= MEASURED_SLOTS_MIN:
            self._slot_seconds = min(SLOT_SECONDS_MAX, seconds / slots)


def _slots_left(status: SignatureStatus) -> int | None:
    """The slots until a transaction is final; None for one that no node has seen."""
    if status.landing in (Landing.FINALIZED, Landing.FAILED):
        return 0
    if status.landing is Landing.UNSEEN:
        return None
    since = max(0, status.read_at_slot - status.landed_at_slot)
    return max(1, FINALITY_SLOTS + 1 - since)
