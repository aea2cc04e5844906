"""The summary fields of distributions and rewards, derived from exact integers for readers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.core.money import ONE_TOKEN, tokens_float
from worker.core.plan.allocation import MULTIPLIER_SCALE, StakingBonus
from worker.core.plan.commitment import Header

NO_TOTALS: dict[str, Any] = {
    "total_points": 0,
    "total_tokens": 0.0,
    "total_amount_base_units": 0,
    "point_to_token_ratio": 0.0,
    "user_count": 0,
}


def plan_totals(header: Header) -> dict[str, Any]:
    """A plan's totals. No code reads the floats back."""
    return {
        "total_points": header.total_points,
        "total_tokens": tokens_float(header.total_amount),
        "total_amount_base_units": header.total_amount,
        "point_to_token_ratio": float(point_to_token_ratio(header)),
        "user_count": header.rewards,
    }


def point_to_token_ratio(header: Header) -> Fraction:
    """Tokens per weighted point, or per plain point if bonuses come on top of the pool."""
    if header.rules.get("staking_bonus") == StakingBonus.ON_TOP:
        pool, points = int(header.rules["pool"]), Fraction(header.total_points)
    else:
        pool, points = header.total_amount, Fraction(header.total_weight, MULTIPLIER_SCALE)
    return Fraction(pool, ONE_TOKEN) / points if points else Fraction(0)


def reward_figures(amount: int, multiplier: int) -> dict[str, float]:
    """A reward's base units, and its multiplier in millionths, as floats for readers."""
    return {
        "token_amount": tokens_float(amount),
        "staking_multiplier": multiplier / MULTIPLIER_SCALE,
    }
