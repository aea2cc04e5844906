"""The contract of both stores about payouts whose transaction is not readable yet, and voids."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.store_worlds import (
    LATER,
    NOW,
    WEEK,
    StoreWorld,
    freeze,
    make_attempt,
    make_single,
    write_plan,
)
from worker.core.lifecycle import PayoutStatus, Stage
from worker.core.money import Lamports
from worker.core.payout.records import Payout, PayoutKind, Settlement
from worker.core.plan.receipts import BatchId
from worker.ports.payout import Store

EVERYTHING = range(10_000)
LANDED = NOW - timedelta(minutes=3)


@pytest.fixture
def store(store_world: StoreWorld) -> Store:
    return store_world.store


def claim_all(store: Store) -> list[Payout]:
    return store.claim("plan", EVERYTHING, 1000, now=NOW, until=LATER)


def unread(payout: Payout, status: PayoutStatus = PayoutStatus.PAID) -> Settlement:
    return Settlement(payout, status, None, None, None, verified=False, next_look_at=LATER)


def read(payout: Payout) -> Settlement:
    return Settlement(payout, PayoutStatus.PAID, "sig", 77, Lamports(5000), True, LANDED)


def found(store: Store, payout: Payout) -> Payout:
    stored = store.payout("plan", payout.id)
    assert stored is not None
    return stored


def ids(payouts: list[Payout]) -> list[str]:
    return [payout.id for payout in payouts]


def test_a_settlement_without_a_transaction_is_looked_for_again(store: Store) -> None:
    write_plan(store, 6)
    first, second = claim_all(store)
    store.settle([unread(first), unread(second, PayoutStatus.VOID)], NOW)

    stored = found(store, first)
    assert stored.reason == "paid, signature not readable yet"
    assert (stored.next_attempt_at, stored.attempts) == (LATER, 1)
    assert found(store, second).reason == "void, signature not readable yet"
    assert store.count_incomplete("plan") == 3
    assert store.unread("plan", "", 9, due=NOW) == []
    assert ids(store.unread("plan", "", 9, due=LATER)) == ids([first, second])
    assert ids(store.unread("plan", first.id, 9, due=LATER)) == [second.id]
    assert ids(store.unread("plan", "", 1, due=None)) == [first.id]
    assert store.unread("draft", "", 9, due=None) == []
    assert store.open_ranges("plan", 10, LATER) == []


def test_a_transaction_that_is_read_later_completes_the_record(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([unread(payout)], NOW)
    store.settle([read(payout)], LATER)

    stored = found(store, payout)
    assert (stored.signature, stored.slot, stored.reason) == ("sig", 77, None)
    assert stored.next_attempt_at is None
    assert store.count_incomplete("plan") == 0
    assert store.unread("plan", "", 9, due=None) == []


def test_a_look_that_reads_nothing_changes_no_complete_record(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([read(payout)], NOW)
    before = found(store, payout)
    store.settle([unread(payout)], LATER)

    assert found(store, payout) == before
    assert store.count_incomplete("plan") == 0


def test_an_unknown_date_is_looked_for_again(store: Store) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    undated = Settlement(
        payout, PayoutStatus.PAID, "sig", 77, Lamports(5000), True, next_look_at=LATER
    )
    for looks in (1, 2):
        store.settle([replace(undated, payout=found(store, payout))], NOW)
        stored = found(store, payout)
        assert (stored.reason, stored.attempts) == ("paid, date not readable yet", looks)
    store.settle([read(payout)], LATER)
    assert found(store, payout).reason is None


def test_a_retry_looks_again_at_once(store: Store) -> None:
    write_plan(store, 3)
    freeze(store)
    (payout,) = claim_all(store)
    store.settle([unread(payout)], NOW)
    store.requeue(WEEK)

    assert ids(store.unread("plan", "", 9, due=NOW)) == [payout.id]
    assert found(store, payout).attempts == 0


def test_payouts_of_older_versions_have_no_reason_and_are_found_when_all_are_asked_for(
    store: Store,
) -> None:
    write_plan(store, 3)
    (payout,) = claim_all(store)
    store.settle([Settlement(payout, PayoutStatus.PAID, None, None, None, False)], NOW)
    store.settle([read(payout)], NOW)
    assert store.unread("plan", "", 9, due=None) == []


def test_an_anchor_that_is_read_later_signs_its_week(store_world: StoreWorld) -> None:
    store = store_world.store
    write_plan(store, 3)
    freeze(store)
    anchor = next(p for p in store.payouts_after("plan", "", 9) if p.kind is PayoutKind.ANCHOR)
    store.settle([unread(anchor)], NOW)
    assert ids(store.unread("plan", "", 9, due=LATER)) == [anchor.id]
    store.settle([read(anchor)], NOW)

    distribution = store.distribution(WEEK)
    assert distribution is not None
    assert distribution.signature == "sig"
    assert store.unread("plan", "", 9, due=None) == []


def test_an_archived_week_gets_its_signature_too(store_world: StoreWorld) -> None:
    store = store_world.store
    write_plan(store, 3)
    freeze(store)
    anchor = next(p for p in store.payouts_after("plan", "", 9) if p.kind is PayoutKind.ANCHOR)
    store_world.archive_week(WEEK)
    store.settle([read(anchor)], NOW)

    distribution = store.distribution(WEEK)
    assert distribution is not None
    assert distribution.signature == "sig"


def test_an_order_to_void_makes_an_unresolved_batch_due(store: Store) -> None:
    write_plan(store, 6)
    first, second = claim_all(store)
    store.settle([read(second)], NOW)
    store.record_attempts([(first, make_attempt("sig", NOW))])

    assert store.order_void(first, "asked")
    assert not store.order_void(second, "asked")
    stored = found(store, first)
    assert (stored.void_reason, stored.next_attempt_at, stored.attempts) == ("asked", None, 0)
    assert found(store, second).void_reason is None
    assert store.void_orders("plan", [second.id, first.id, "another"]) == {first.id}
    assert store.void_orders("plan", [second.id]) == store.void_orders("plan", []) == set()
    assert store.void_orders("other", [first.id]) == set()
    assert [p.id for p in store.claim("plan", EVERYTHING, 9, now=LATER, until=LATER)] == [
        str(BatchId(WEEK, 0))
    ]


def test_only_batches_are_ordered_to_be_void(store: Store) -> None:
    rewards = write_plan(store, 3, held=1)
    single = make_single(rewards[3])
    store.write_payouts([single], [b""])
    anchor = next(p for p in store.payouts_after("plan", "", 9) if p.kind is PayoutKind.ANCHOR)

    assert not store.order_void(single, "asked")
    assert not store.order_void(anchor, "asked")


def test_a_failure_that_ended_is_forgotten(store: Store) -> None:
    write_plan(store, 3)
    freeze(store)
    store.record_failure(WEEK, reason="short", next_attempt_at=LATER, attempts=3, stopped=False)
    store.forget_failure(WEEK)

    distribution = store.distribution(WEEK)
    assert distribution is not None
    assert (distribution.reason, distribution.next_attempt_at) == (None, None)
    assert (distribution.attempts, distribution.stage) == (0, Stage.PREPARED)
