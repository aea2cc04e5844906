"""Reads the stored payouts and rewards of a plan a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from worker.core.cost import OtherTransaction
from worker.core.payout.records import Payout, Reward
from worker.core.week import Week
from worker.ports.payout import Store


def payout_pages(store: Store, plan_id: str, size: int) -> Iterator[list[Payout]]:
    """All payouts of a plan in order of their ids, at most `size` at a time."""
    after = ""
    while page := store.payouts_after(plan_id, after, size):
        yield page
        after = page[-1].id


def unread_pages(
    store: Store, plan_id: str, size: int, *, due: datetime | None
) -> Iterator[list[Payout]]:
    """Resolved payouts that lack facts of their transaction, at most `size` at a time."""
    after = ""
    while page := store.unread(plan_id, after, size, due=due):
        yield page
        after = page[-1].id


def pages_needing_account(store: Store, plan_id: str, size: int) -> Iterator[list[Reward]]:
    """The rewards whose recipient had no token account at planning, at most `size` at a time."""
    position = -1
    while page := store.rewards_needing_account(plan_id, position, size):
        yield page
        position = page[-1].position


def other_transaction_pages(
    store: Store, week: Week, size: int
) -> Iterator[list[OtherTransaction]]:
    """The week's transactions that resolve no payout, at most `size` at a time."""
    after = ""
    while page := store.other_transactions(week, after, size):
        yield page
        after = page[-1].signature
