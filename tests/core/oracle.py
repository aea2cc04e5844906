"""Computes a week's amounts in fractions, written from the design's text alone.

It shares no code with worker/core. It lifts in rounds until nothing changes, while worker/core
sorts once. It knows every user's exact share, while worker/core streams integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

MILLION = 1_000_000


@dataclass(frozen=True)
class Expected:
    """`exact` are the shares before rounding, `amounts` after; `lifted` are positions."""

    exact: list[Fraction]
    amounts: list[int]
    lifted: set[int]
    waived: bool


def expected(
    points: Sequence[int], multipliers: Sequence[int], *, pool: int, least: int, on_top: bool
) -> Expected:
    """The split of a pool. Nobody gets less than `least`, unless the pool is too small."""
    bonus = [Fraction(m, MILLION) for m in multipliers]
    shares = [Fraction(p) if on_top else p * b for p, b in zip(points, bonus, strict=True)]
    factors = bonus if on_top else [Fraction(1)] * len(points)
    waived = len(points) * least > pool
    lifted = set() if waived else _lifted(shares, pool, least)
    left = pool - least * len(lifted)
    total = sum(share for i, share in enumerate(shares) if i not in lifted)
    exact = [
        (Fraction(least) if i in lifted else left * share / total) * factors[i]
        for i, share in enumerate(shares)
    ]
    return Expected(exact, _rounded(exact, lifted), lifted, waived)


def _lifted(shares: Sequence[Fraction], pool: int, least: int) -> set[int]:
    """Lift everyone below the floor, split the rest again, and repeat."""
    lifted: set[int] = set()
    while True:
        left = pool - least * len(lifted)
        total = sum(share for i, share in enumerate(shares) if i not in lifted)
        below = {
            i for i, share in enumerate(shares) if i not in lifted and left * share / total < least
        }
        if not below:
            return lifted
        lifted |= below


def _rounded(exact: Sequence[Fraction], lifted: set[int]) -> list[int]:
    """Round users who were not lifted cumulatively, and round each lifted user down."""
    amounts, reached = [], Fraction(0)
    for i, share in enumerate(exact):
        if i in lifted:
            amounts.append(floor(share))
            continue
        amounts.append(floor(reached + share) - floor(reached))
        reached += share
    return amounts
