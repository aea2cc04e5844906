"""Remembers which receipts the endpoints do not show, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.core.plan.receipts import ReceiptState

UNKNOWN_MAX = timedelta(seconds=60)
"""Work does not wait longer than this for endpoints that do not show a receipt's state."""


class UnknownReceipts:
    """The receipts of payouts in flight. One that is not read keeps its last state."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        """The receipts that the last look could not read."""
        self._since: dict[str, datetime] = {}

    def look(self, receipts: Mapping[str, ReceiptState], now: datetime) -> set[str]:
        """Note what a look has read. Returns the receipts that are unknown for too long."""
        self.ids = {i for i, state in receipts.items() if state is ReceiptState.UNKNOWN}
        kept = {i: at for i, at in self._since.items() if i in self.ids or i not in receipts}
        self._since = dict.fromkeys(self.ids, now) | kept
        return {i for i in self.ids if now - self._since[i] > UNKNOWN_MAX}
