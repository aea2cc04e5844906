"""How a week's rewards are spread: a histogram and a Lorenz curve, in integers all the way."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

WHOLE = 10_000
"""Shares are in ten thousandths."""
BINS_MAX = 12
LORENZ_STEPS = 20
SKEWED = 20
"""Where the largest is this many times the median, bins grow in steps of 1, 2 and 5."""


@dataclass(frozen=True, slots=True)
class Bin:
    """How many amounts are at least `low` and below `high`."""

    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Amounts in base units, shares in ten thousandths."""

    count: int
    total: int
    smallest: int
    median: int
    """The lower one of the two in the middle."""
    largest: int
    bins: tuple[Bin, ...]
    lorenz: tuple[int, ...]
    """The share that the lowest 0, 5, 10 ... 100 % of the contributors have together."""
    top_tenth: int
    """The share of the tenth with the highest rewards."""


def spread(amounts: Sequence[int]) -> Spread | None:
    """None where there is nothing to spread."""
    ordered = sorted(amounts)
    total = sum(ordered)
    if not total:
        return None
    count, sums = len(ordered), [0, *accumulate(ordered)]
    steps = [sums[count * step // LORENZ_STEPS] for step in range(LORENZ_STEPS + 1)]
    median = ordered[(count - 1) // 2]
    return Spread(
        count=count,
        total=total,
        smallest=ordered[0],
        median=median,
        largest=ordered[-1],
        bins=_bins(ordered, median),
        lorenz=tuple(each * WHOLE // total for each in steps),
        top_tenth=(total - sums[count - -(-count // 10)]) * WHOLE // total,
    )


def _bins(ordered: Sequence[int], median: int) -> tuple[Bin, ...]:
    if ordered[-1] > SKEWED * max(1, median):
        edges = _growing_edges(ordered[0], ordered[-1])
    else:
        edges = _even_edges(ordered[0], ordered[-1])
    # Beyond each edge: how many are below it.
    below = [bisect_right(ordered, edge - 1) for edge in edges]
    made = zip(pairwise(edges), pairwise(below), strict=True)
    return tuple(Bin(low, high, last - first) for (low, high), (first, last) in made)


def _even_edges(smallest: int, largest: int) -> list[int]:
    step = next(step for step in _round_numbers() if largest // step - smallest // step < BINS_MAX)
    return [step * i for i in range(smallest // step, largest // step + 2)]


def _growing_edges(smallest: int, largest: int) -> list[int]:
    """1, 2, 5, 10 ... or, where those are too many, powers of ten."""
    for factors in ((1, 2, 5), (1,)):
        series = [factor * 10**power for power in range(20) for factor in factors]
        first = max(0, bisect_right(series, smallest) - 1)
        edges = series[first : bisect_right(series, largest) + 1]
        if len(edges) <= BINS_MAX + 1:
            break
    return [0, *edges] if smallest < edges[0] else edges


def _round_numbers() -> list[int]:
    return [factor * 10**power for power in range(20) for factor in (1, 2, 5)]
