"""The owner's summary fields of a distribution, derived from the plan's header."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.core.allocation import MULTIPLIER_SCALE, StakingBonus
from worker.core.commitment import Header
from worker.core.money import ONE_TOKEN, tokens_float

NO_TOTALS: dict[str, Any] = {
    "total_points": 0,
    "total_tokens": 0.0,
    "total_amount_base_units": 0,
    "point_to_token_ratio": 0.0,
    "user_count": 0,
}


def plan_totals(header: Header) -> dict[str, Any]:
    """What readers see of a plan. Floats are derived from integers, and never read back."""
    return {
        "total_points": header.total_points,
        "total_tokens": tokens_float(header.total_amount),
        "total_amount_base_units": header.total_amount,
        "point_to_token_ratio": point_to_token_ratio(header),
        "user_count": header.rewards,
    }


def point_to_token_ratio(header: Header) -> float:
    """Tokens per weighted point; per plain point where bonuses come on top of the pool."""
    if header.rules.get("staking_bonus") == StakingBonus.ON_TOP:
        pool, points = int(header.rules["pool"]), Fraction(header.total_points)
    else:
        pool = header.total_amount
        points = Fraction(header.total_weight, MULTIPLIER_SCALE)
    return float(Fraction(pool, ONE_TOKEN) / points) if points else 0.0
