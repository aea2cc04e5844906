"""Remembers which receipts of a genesis or a plan's root were read as paid.

A final state stays. So a process reads them again only after some minutes, which an endpoint that
changes its cluster needs to be noticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from worker.core.plan.receipts import ReceiptState

REMEMBERED = timedelta(minutes=10)


class PaidReceipts:
    """The paid receipts that one process has read, with the time of the reading."""

    def __init__(self) -> None:
        self._read_at: dict[str, datetime] = {}

    def are_known(self, ids: Collection[str], now: datetime) -> bool:
        """Whether all of these were paid some minutes ago. A time ahead is of another clock."""
        since = (now - self._read_at[each] for each in ids if each in self._read_at)
        return sum(timedelta() <= age < REMEMBERED for age in since) == len(ids)

    def forget(self, ids: Collection[str]) -> None:
        """Have these receipts read again."""
        for each in ids:
            self._read_at.pop(each, None)

    def note(self, states: Mapping[str, ReceiptState], now: datetime) -> None:
        """Remember the paid ones of these receipts."""
        paid = (i for i, state in states.items() if state is ReceiptState.PAID)
        self._read_at |= dict.fromkeys(paid, now)
