"""A spread is exact: its median, shares, Gini, histogram and Lorenz curve."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.report.spread import BINS_MAX, WHOLE, spread
from worker.core.report.text import change_text, ratio_text, share_text


@pytest.mark.parametrize(
    ("amounts", "median"),
    [
        ([5], 5),
        ([3, 1], 2),
        ([1, 2], 1),
        ([9, 1, 4], 4),
        ([0, 0, 1, 2], 0),
        ([2**63 - 1, 2**63 - 3], 2**63 - 2),
        ([10**25, 10**25 + 1], 10**25),
    ],
)
def test_the_median_of_an_even_number_is_the_mean_of_the_middle_rounded_down(
    amounts: list[int], median: int
) -> None:
    assert spread(amounts).median == median


def test_equal_amounts_have_a_gini_of_zero() -> None:
    found = spread([7] * 20)
    assert (found.gini, found.median, found.top_tenth) == (0, 7, Fraction(1, 10))


def test_one_who_gets_everything_is_as_uneven_as_can_be() -> None:
    found = spread([0, 0, 0, 10])
    assert (found.gini, found.top_tenth) == (Fraction(3, 4), 1)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_of_all_pairs(amounts: list[int]) -> None:
    found, total, count = spread(amounts), sum(amounts), len(amounts)
    differences = sum(abs(a - b) for a in amounts for b in amounts)
    assert found.gini == (Fraction(differences, 2 * count * total) if total else 0)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=60))
def test_the_highest_tenth_has_a_tenth_at_least(amounts: list[int]) -> None:
    highest = sorted(amounts, reverse=True)[: (len(amounts) + 9) // 10]
    assert spread(amounts).top_tenth == Fraction(sum(highest), sum(amounts))
    assert spread(amounts).top_tenth >= Fraction(1, 10)


@pytest.mark.parametrize("amounts", [[], [0], [0, 0]])
def test_nothing_paid_has_a_count_alone(amounts: list[int]) -> None:
    found = spread(amounts)
    assert found.count == len(amounts)
    assert (found.total, found.median, found.top_tenth, found.gini) == (0, 0, 0, 0)
    assert (found.bins, found.lorenz) == ((), ())


@given(st.lists(st.integers(0, 2**63 - 1), max_size=60))
def test_every_amount_is_in_exactly_one_bin(amounts: list[int]) -> None:
    found = spread(amounts)
    if not sum(amounts):
        assert found.total == 0
        return
    assert sum(each.count for each in found.bins) == len(amounts)
    for each in found.bins:
        assert each.count == sum(each.low <= amount < each.high for amount in amounts)
    assert len(found.bins) <= 2 * BINS_MAX
    assert list(found.lorenz) == sorted(found.lorenz)
    assert (found.lorenz[0], found.lorenz[-1]) == (0, WHOLE)


def test_sums_beyond_64_bits_have_a_spread() -> None:
    for amounts in ([10**24, 10**24 + 1], [0, 0, 10**24]):
        assert sum(each.count for each in spread(amounts).bins) == len(amounts)


def test_numbers_are_written_for_readers() -> None:
    assert ratio_text(Fraction(1, 3)) == "0.33333333"
    assert ratio_text(Fraction(25_000, 2)) == "12,500"
    assert share_text(1, 8) == "12.5 %"
    assert share_text(Fraction(1, 3), 1) == "33.3 %"
    assert share_text(0, 0) == "–"
    assert change_text(9, 8) == "+12.5 %"
    assert change_text(7, 8) == "−12.5 %"
    assert change_text(7, 0) == ""
