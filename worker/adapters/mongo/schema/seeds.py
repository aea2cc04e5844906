"""The first contents of `system_config`: the owner's values, and our additions."""

from __future__ import annotations

from typing import Any

from worker.core.plan.rules import CONFIG_ID, DEFAULT_MAX_LEFT_OUT, DEFAULT_REPUTATION_STEPS

OWNER_CONFIG: dict[str, Any] = {
    "_id": CONFIG_ID,
    "contribution_types": {
        "creation": {"base_points": 100, "description": "Creating new wiki articles"},
        "major_edit": {"base_points": 50, "description": "Substantial content improvements"},
        "minor_edit": {"base_points": 20, "description": "Small fixes and formatting"},
        "review": {"base_points": 10, "description": "Reviewing edit proposals"},
        "translation": {"base_points": 75, "description": "Translating articles"},
    },
    "multipliers": {
        "quality": {"min": 0.5, "max": 3.0, "default": 1.0},
        "reputation": {"min": 0.8, "max": 1.5, "default": 1.0},
        "demand": {"min": 1.0, "max": 2.5, "default": 1.0},
    },
    "staking_tiers": {
        "30_days": {"apy": 0.05, "multiplier": 1.1},
        "90_days": {"apy": 0.12, "multiplier": 1.3},
        "180_days": {"apy": 0.25, "multiplier": 1.6},
        "365_days": {"apy": 0.50, "multiplier": 2.0},
    },
    "weekly_pool": 10000.0,
    "min_tokens_per_user": 1.0,
}

ADDED_CONFIG: dict[str, Any] = {
    "staking_bonus": "within_pool",
    "min_points": 10,
    "min_stake": 0.0,
    "eligibility": [],
    "hold_weeks": None,
    "max_new_accounts_per_week": 1_000_000,
    "require_approval": False,
    "max_left_out": DEFAULT_MAX_LEFT_OUT,
    "reputation_steps": DEFAULT_REPUTATION_STEPS,
}

CONFIG: dict[str, Any] = OWNER_CONFIG | ADDED_CONFIG

OWN_REPUTATION = (
    "system_config.reputation_steps gets no steps: users have a reputation_score of the wiki's, "
    "which counts and is never rewritten"
)


def first_config(*, has_own_reputation: bool) -> dict[str, Any]:
    """The same for a wiki that may have reputation scores of its own."""
    return CONFIG | ({"reputation_steps": []} if has_own_reputation else {})
