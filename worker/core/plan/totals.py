"""The owner's summary fields of distributions and rewards, derived from exact integers."""

from __future__ import annotations

from typing import Any

from worker.core.money import tokens_float
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.commitment import Header
from worker.core.plan.ratio import point_to_token_ratio

NO_TOTALS: dict[str, Any] = {
    "total_points": 0,
    "total_tokens": 0.0,
    "total_amount_base_units": 0,
    "point_to_token_ratio": 0.0,
    "user_count": 0,
}


def plan_totals(header: Header) -> dict[str, Any]:
    """A plan's totals for readers. Floats are derived from integers, and never read back."""
    return {
        "total_points": header.total_points,
        "total_tokens": tokens_float(header.total_amount),
        "total_amount_base_units": header.total_amount,
        "point_to_token_ratio": float(point_to_token_ratio(header)),
        "user_count": header.rewards,
    }


def reward_figures(amount: int, multiplier: int) -> dict[str, float]:
    """A reward's base units, and its multiplier in millionths, as floats for readers."""
    return {
        "token_amount": tokens_float(amount),
        "staking_multiplier": multiplier / MULTIPLIER_SCALE,
    }
