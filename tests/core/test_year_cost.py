"""A year's cost is exact, grows with the contributors, and falls with the rent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.core.money import Lamports
from worker.core.payout.chain import Costs
from worker.core.year_cost import SIZES, at_last_step, year_cost, year_costs

COSTS = Costs(
    receipt_rent=Lamports(129 * 6_960),
    void_receipt_rent=Lamports(130 * 6_960),
    token_account_rent=Lamports(293 * 6_960),
    fee_per_signature=Lamports(5_000),
    signatures=1,
    transfers_per_transaction=57,
    accounts_per_transaction=12,
)
counts = st.integers(1, 10**6)


def test_a_year_of_the_owners_example() -> None:
    year = year_cost(COSTS, 45)

    assert year.fees == 52 * 2 * 5_000  # the anchor and one batch
    assert year.receipts_rent == 52 * 3 * 897_840  # two receipts of the anchor, one of the batch
    assert year.total == 140_583_040
    assert year.accounts == 45 * 2_039_280 + 4 * 5_000
    assert year.transfer_each == 52 * 45 * 5_000
    assert year.transfers_together == 52 * 3 * 5_000
    assert year.claims == 52 * 45 * (192 * 6_960 + 5_000)


def test_the_last_step_of_the_rent_is_a_tenth_of_the_first() -> None:
    last = at_last_step(COSTS)

    assert last.receipt_rent * 10 == COSTS.receipt_rent
    assert last.token_account_rent * 10 == COSTS.token_account_rent
    assert last.fee_per_signature == COSTS.fee_per_signature
    assert at_last_step(last) == last


def test_every_size_is_shown_at_both_rents() -> None:
    shown = year_costs(COSTS, SIZES)

    assert [now.contributors for now, _ in shown] == [45, 1_000, 100_000]
    assert [now.total for now, _ in shown] == [140_583_040, 938_693_600, 82_486_813_760]
    assert [last.total for _, last in shown] == [14_526_304, 98_315_360, 8_659_585_376]


@given(counts, counts)
def test_more_contributors_never_cost_less(one: int, other: int) -> None:
    fewer, more = year_cost(COSTS, min(one, other)), year_cost(COSTS, max(one, other))

    assert fewer.total <= more.total
    assert fewer.accounts <= more.accounts
    assert fewer.transfer_each <= more.transfer_each
    assert fewer.transfers_together <= more.transfers_together
    assert fewer.claims <= more.claims
