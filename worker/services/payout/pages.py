"""Reads the stored payouts and rewards of a plan a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from worker.core.chunks import chunks
from worker.core.cost import OtherTransaction
from worker.core.payout.records import Payout
from worker.core.week import Week
from worker.ports.payout import Store

READ_AT_ONCE = 256
"""Payouts that one query reads at least. DocumentDB sorts all that follow for each query."""
TRANSACTIONS_AT_ONCE = 2000
"""Other transactions that one query reads at least. Each takes some 400 bytes of memory."""


def payout_pages(store: Store, plan_id: str, size: int) -> Iterator[list[Payout]]:
    """All payouts of a plan in order of their ids, at most `size` at a time."""
    after = ""
    while read := store.payouts_after(plan_id, after, max(size, READ_AT_ONCE)):
        yield from chunks(read, size)
        after = read[-1].id


def unread_pages(
    store: Store, plan_id: str, size: int, *, due: datetime | None
) -> Iterator[list[Payout]]:
    """Resolved payouts that lack facts of their transaction, at most `size` at a time."""
    after = ""
    while page := store.unread(plan_id, after, size, due=due):
        yield page
        after = page[-1].id


def other_transaction_pages(
    store: Store, week: Week, size: int
) -> Iterator[list[OtherTransaction]]:
    """The week's transactions that resolve no payout, at most `size` at a time."""
    after = ""
    while read := store.other_transactions(week, after, max(size, TRANSACTIONS_AT_ONCE)):
        yield from chunks(read, size)
        after = read[-1].signature
