"""Reads the stored payouts and rewards of a plan a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from worker.core.chunks import chunks
from worker.core.cost import OtherTransaction
from worker.core.payout.records import Payout, Reward
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.payout import Store

READ_AT_ONCE = 256
"""Payouts that one query reads at least. DocumentDB sorts all that follow for each query."""
POSITIONS_AT_ONCE = 4000
"""Rewards that one query looks through for missing accounts. All of them may lack one."""


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


def pages_needing_account(store: Store, planned: PlannedWeek) -> Iterator[list[Reward]]:
    """The rewards whose recipient had no token account at planning, in order, some at a time."""
    for first in range(0, planned.header.rewards, POSITIONS_AT_ONCE):
        positions = range(first, first + POSITIONS_AT_ONCE)
        yield store.rewards_needing_account(planned.plan_id, positions)


def other_transaction_pages(
    store: Store, week: Week, size: int
) -> Iterator[list[OtherTransaction]]:
    """The week's transactions that resolve no payout, at most `size` at a time."""
    after = ""
    while page := store.other_transactions(week, after, size):
        yield page
        after = page[-1].signature
