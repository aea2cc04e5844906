"""The contract of both stores about transactions that resolve no payout."""

from __future__ import annotations

import pytest

from tests.contracts.store_worlds import WEEK, StoreWorld
from worker.core.cost import NO_CHARGE, Charge, OtherCharges, OtherTransaction, TransactionKind
from worker.core.money import Lamports
from worker.core.week import Week
from worker.ports.payout import Store

CHARGE = Charge(Lamports(5_000), Lamports(18_353_520), 9)


@pytest.fixture
def store(store_world: StoreWorld) -> Store:
    return store_world.store


def sent(signature: str, week: Week = WEEK) -> OtherTransaction:
    return OtherTransaction(signature, week, TransactionKind.ACCOUNTS, 1_234)


def signatures(store: Store, after: str = "", limit: int = 9) -> list[str]:
    return [each.signature for each in store.other_transactions(WEEK, after, limit)]


def test_transactions_of_a_week_come_back_by_signature(store: Store) -> None:
    refused = OtherTransaction("b", WEEK, TransactionKind.REPLACED, 2**40)
    store.record_transactions([sent("c"), refused, sent("a")])
    store.record_transactions([sent("other", WEEK.next())])
    assert store.other_transactions(WEEK, "a", 1) == [refused]
    assert signatures(store) == ["a", "b", "c"]
    assert signatures(store, "c") == []


def test_a_charge_is_recorded_once_and_survives_a_repeated_record(store: Store) -> None:
    store.record_transactions([sent("a"), sent("b")])
    store.record_charges({"a": CHARGE, "unknown": CHARGE})
    store.record_transactions([sent("a")])
    store.record_charges({"a": NO_CHARGE})
    store.record_charges({})
    store.record_transactions([])
    found = store.other_transactions(WEEK, "", 9)
    assert [each.charge for each in found] == [CHARGE, None]


def test_the_sums_are_those_of_the_week(store: Store) -> None:
    assert store.other_charges(WEEK) == OtherCharges()
    replaced = OtherTransaction("b", WEEK, TransactionKind.REPLACED, 1_234)
    store.record_transactions([sent("a"), replaced, sent("c"), sent("d", WEEK.next())])
    store.record_charges({"a": CHARGE, "b": NO_CHARGE, "d": CHARGE})
    assert store.other_charges(WEEK) == OtherCharges(
        creations=2, unread=1, fees=5_000, rent=18_353_520, accounts=9
    )


def test_a_new_plan_of_the_week_keeps_its_costs(store: Store) -> None:
    store.record_transactions([sent("a")])
    store.record_charges({"a": CHARGE})
    store.reset_week(WEEK, WEEK.end)
    store.discard_other_plans(WEEK, "another", lost_too=True)
    assert store.other_charges(WEEK).fees == 5_000
