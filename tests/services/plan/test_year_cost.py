"""A year is 52 times what the estimate of one plan shows."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_year_cost import COSTS
from worker.core.year_cost import WEEKS, year_cost
from worker.services.plan.funds import estimate


@given(st.integers(1, 10**6), st.integers(1, 60), st.integers(1, 2))
def test_a_week_of_the_year_is_the_estimate_of_its_plan(
    contributors: int, size: int, signatures: int
) -> None:
    costs = replace(COSTS, transfers_per_transaction=size, signatures=signatures)
    batches = -(-contributors // size)
    week = estimate(costs, batches=batches, held=0, new_accounts=0)
    year = year_cost(costs, contributors)

    assert (year.fees, year.receipts_rent) == (WEEKS * week.fees, WEEKS * week.receipts_rent)
    assert year.total == WEEKS * week.lamports
