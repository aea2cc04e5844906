"""The point-to-token ratio of a plan, for readers: amounts never come from it."""

from __future__ import annotations

from fractions import Fraction

from worker.core.money import ONE_TOKEN
from worker.core.plan.allocation import MULTIPLIER_SCALE, StakingBonus
from worker.core.plan.commitment import Header


def point_to_token_ratio(header: Header) -> Fraction:
    """Tokens per weighted point; per plain point where bonuses come on top of the pool."""
    if header.rules.get("staking_bonus") == StakingBonus.ON_TOP:
        pool, points = int(header.rules["pool"]), Fraction(header.total_points)
    else:
        pool, points = header.total_amount, Fraction(header.total_weight, MULTIPLIER_SCALE)
    return Fraction(pool, ONE_TOKEN) / points if points else Fraction(0)
