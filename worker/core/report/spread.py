"""Measures how evenly amounts are spread: median, shares, Gini, histogram, Lorenz curve."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

WHOLE = 10_000
"""Points of the Lorenz curve are in ten thousandths."""
BINS_MAX = 12
LORENZ_STEPS = 20
SKEWED = 20
"""If the largest amount is this many times the median, bins grow in steps of 1, 2 and 5."""
_ROUND_NUMBERS = [factor * 10**power for power in range(30) for factor in (1, 2, 5)]
_POWERS_OF_TEN = _ROUND_NUMBERS[::3]


@dataclass(frozen=True, slots=True)
class Bin:
    """How many amounts are at least `low` and below `high`."""

    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Exact figures, amounts in base units. Without any payment, only `count` can be above 0."""

    count: int
    total: int = 0
    smallest: int = 0
    median: int = 0
    """For an even count, the mean of the two middle amounts, rounded down."""
    largest: int = 0
    bins: tuple[Bin, ...] = ()
    lorenz: tuple[int, ...] = ()
    """The share of the lowest 0, 5, 10 ... 100 % of the recipients, in ten thousandths."""
    top_tenth: Fraction = Fraction(0)
    """The share of the tenth with the highest amounts, its size rounded up."""
    gini: Fraction = Fraction(0)
    """0: all get the same. Near 1: one gets everything."""


def spread(amounts: Sequence[int]) -> Spread:
    """Measure how evenly amounts are spread."""
    ordered = sorted(amounts)
    count, sums = len(ordered), [0, *accumulate(ordered)]
    total = sums[-1]
    if not total:
        return Spread(count)
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) // 2
    ranked = sum(rank * amount for rank, amount in enumerate(ordered, 1))
    steps = (sums[count * step // LORENZ_STEPS] for step in range(LORENZ_STEPS + 1))
    return Spread(
        count=count,
        total=total,
        smallest=ordered[0],
        median=median,
        largest=ordered[-1],
        bins=_bins(ordered, median),
        lorenz=tuple(each * WHOLE // total for each in steps),
        top_tenth=Fraction(total - sums[count - -(-count // 10)], total),
        gini=Fraction(2 * ranked, count * total) - Fraction(count + 1, count),
    )


def _bins(ordered: Sequence[int], median: int) -> tuple[Bin, ...]:
    skewed = ordered[-1] > SKEWED * max(1, median)
    edges = (_growing_edges if skewed else _even_edges)(ordered[0], ordered[-1])
    below = [bisect_right(ordered, edge - 1) for edge in edges]
    made = zip(pairwise(edges), pairwise(below), strict=True)
    return tuple(Bin(low, high, last - first) for (low, high), (first, last) in made)


def _even_edges(smallest: int, largest: int) -> list[int]:
    step = next(s for s in _ROUND_NUMBERS if largest // s - smallest // s < BINS_MAX)
    return [step * i for i in range(smallest // step, largest // step + 2)]


def _growing_edges(smallest: int, largest: int) -> list[int]:
    """1, 2, 5, 10 ... or powers of ten, if there would be too many edges."""
    for series in (_ROUND_NUMBERS, _POWERS_OF_TEN):
        first = max(0, bisect_right(series, smallest) - 1)
        edges = series[first : bisect_right(series, largest) + 1]
        if len(edges) <= BINS_MAX + 1:
            break
    return [0, *edges] if smallest < edges[0] else edges
