"""The intents of payouts, and their comparison with transactions on the chain."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import rows
from worker.core.money import BaseUnits, Lamports
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.intent import batch_intent, moved, single_intent, sums_by_wallet
from worker.core.plan.commitment import Row
from worker.core.plan.receipts import Resolution

RECEIPT = "2024-12-09/00007"
amounts = st.integers(1, 2**63 - 1).map(BaseUnits)
transfers = st.builds(Transfer, st.sampled_from(["a", "b", "c"]), amounts)


def executed(done: list[Transfer]) -> Execution:
    return Execution(
        receipt=RECEIPT,
        resolution=Resolution.PAID,
        signature="signature",
        slot=7,
        fee=Lamports(5000),
        memo=RECEIPT,
        transfers=tuple(done),
        source="source",
        source_decrease=BaseUnits(sum(transfer.amount for transfer in done)),
    )


@given(st.lists(rows))
def test_a_batch_pays_each_row_its_amount_under_its_one_receipt(batch: list[Row]) -> None:
    intent = batch_intent(RECEIPT, batch, void=False)

    assert [(t.wallet, t.amount) for t in intent.transfers] == [(r.wallet, r.amount) for r in batch]
    assert (intent.receipts, intent.resolution) == ((RECEIPT,), Resolution.PAID)
    assert intent.memo == RECEIPT


@given(st.lists(rows))
def test_a_void_batch_takes_the_same_receipt_and_moves_nothing(batch: list[Row]) -> None:
    intent = batch_intent(RECEIPT, batch, void=True)

    assert (intent.receipts, intent.resolution) == ((RECEIPT,), Resolution.VOID)
    assert intent.transfers == ()


@given(transfers)
def test_a_single_pays_and_is_never_void(transfer: Transfer) -> None:
    intent = single_intent(RECEIPT, transfer)

    assert (intent.receipts, intent.resolution) == ((RECEIPT,), Resolution.PAID)
    assert intent.transfers == (transfer,)


@given(st.lists(transfers), st.randoms(use_true_random=False))
def test_the_order_of_transfers_does_not_matter(expected: list[Transfer], random: Random) -> None:
    done = list(expected)
    random.shuffle(done)

    assert moved(executed(done), expected)


@given(st.lists(transfers), transfers)
def test_a_transfer_too_much_or_too_few_is_another_payment(
    planned: list[Transfer], other: Transfer
) -> None:
    assert not moved(executed([*planned, other]), planned)
    assert not moved(executed(planned), [*planned, other])


@given(st.lists(transfers), st.integers(-(2**63), 2**63).filter(bool))
def test_the_source_loses_exactly_the_sum(planned: list[Transfer], more: int) -> None:
    done = executed(planned)
    odd = replace(done, source_decrease=BaseUnits(done.source_decrease + more))

    assert not moved(odd, planned)


@given(st.lists(transfers))
def test_sums_by_wallet_hold_every_base_unit(made: list[Transfer]) -> None:
    assert sum(sums_by_wallet(made).values()) == sum(transfer.amount for transfer in made)


def test_a_single_pays_one_transfer_and_names_its_receipt() -> None:
    transfer = Transfer("a", BaseUnits(3))
    intent = single_intent(RECEIPT, transfer)
    assert (intent.receipts, intent.memo) == ((RECEIPT,), RECEIPT)
    assert (intent.transfers, intent.resolution) == ((transfer,), Resolution.PAID)
