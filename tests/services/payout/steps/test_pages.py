"""Payouts are read a page at a time, and neither more nor fewer queries than needed read them."""

from __future__ import annotations

import pytest

from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World, store_of
from tests.simulation.faults.traps import do
from worker.core.cost import OtherTransaction, TransactionKind
from worker.core.payout.records import Payout
from worker.core.week import Week
from worker.services.payout import pages
from worker.services.week.story import Job


@pytest.mark.parametrize(
    ("size", "at_once", "sizes", "limits"),
    [
        (2, 4, [2, 2, 2, 1], [4, 4, 4]),
        (5, 4, [5, 2], [5, 5, 5]),
        (9, 4, [7], [9, 9]),
    ],
)
def test_a_query_reads_whole_pages(
    monkeypatch: pytest.MonkeyPatch, size: int, at_once: int, sizes: list[int], limits: list[int]
) -> None:
    world = World(batch_size=1)
    world.populate(6)
    world.genesis()
    do(world.first, Job.PLAN)
    store, asked = store_of(world.first), list[int]()
    payouts_after = store.payouts_after

    def noted(plan_id: str, after_id: str, limit: int) -> list[Payout]:
        asked.append(limit)
        return payouts_after(plan_id, after_id, limit)

    monkeypatch.setattr(store, "payouts_after", noted)
    monkeypatch.setattr(pages, "READ_AT_ONCE", at_once)
    plan_id = world.distribution().plan_id or ""

    found = list(pages.payout_pages(store, plan_id, size))

    assert [len(page) for page in found] == sizes
    ids = [payout.id for page in found for payout in page]
    assert ids == sorted(set(ids))
    assert asked == limits


@pytest.mark.parametrize(
    ("size", "at_once", "sizes", "limits"),
    [(2, 4, [2, 2, 1], [4, 4, 4]), (3, 2, [3, 2], [3, 3, 3])],
)
def test_other_transactions_are_read_the_same_way(
    monkeypatch: pytest.MonkeyPatch, size: int, at_once: int, sizes: list[int], limits: list[int]
) -> None:
    store, asked = FakeStore(), list[int]()
    store.record_transactions(
        [OtherTransaction(f"signature {i}", WEEK, TransactionKind.ACCOUNTS, 99) for i in range(5)]
    )
    other_transactions = store.other_transactions

    def noted(week: Week, after: str, limit: int) -> list[OtherTransaction]:
        asked.append(limit)
        return other_transactions(week, after, limit)

    monkeypatch.setattr(store, "other_transactions", noted)
    monkeypatch.setattr(pages, "TRANSACTIONS_AT_ONCE", at_once)

    found = list(pages.other_transaction_pages(store, WEEK, size))

    assert [len(page) for page in found] == sizes
    assert [each.signature for page in found for each in page] == [
        f"signature {i}" for i in range(5)
    ]
    assert asked == limits
