"""Remembers when a process last sent each attempt, so that it sends none again too soon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from worker.core.payout.records import Payout

RESEND_AFTER = timedelta(seconds=1)
"""A node shows a transaction some slots after it was sent."""


class LastSends:
    """The time of the last sending, by payout id."""

    def __init__(self) -> None:
        self._sent_at: dict[str, datetime] = {}

    def note(self, payouts: Iterable[Payout], now: datetime) -> None:
        self._sent_at |= dict.fromkeys((payout.id for payout in payouts), now)

    def due(self, unseen: Sequence[Payout], now: datetime) -> list[Payout]:
        """The payouts whose attempt no node has seen a while after it was sent. A time ahead is of
        another clock."""
        return [p for p in unseen if not timedelta() <= self._age(p, now) < RESEND_AFTER]

    def _age(self, payout: Payout, now: datetime) -> timedelta:
        return now - self._sent_at.get(payout.id, now - RESEND_AFTER)
