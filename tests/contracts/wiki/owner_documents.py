"""The owner's eight sample documents (one of each collection), built anew for every test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

Document = dict[str, Any]
USER, ARTICLE = "507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"
DISTRIBUTION = "507f1f77bcf86cd799439013"
WALLET = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgHDF"
COUNTERS: Document = {
    "reputation_score": 1.2,
    "total_contributions": 15,
    "total_points": 1500,
    "total_tokens_earned": 250.75,
    "staked_tokens": 100.0,
    "governance_power": 200.0,
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def owner_documents() -> dict[str, Document]:
    """By collection."""
    return {
        "users": _user(),
        "articles": _article(),
        "contributions": _contribution(),
        "token_rewards": _reward(),
        "weekly_distributions": _distribution(),
        "staking_records": _stake(),
        "governance_proposals": _proposal(),
        "system_config": _config(),
    }


def _user() -> Document:
    return {
        "_id": ObjectId(USER),
        "username": "owner",
        "wallet_address": WALLET,
        **COUNTERS,
        "last_reward_claim": moment("2024-12-16T00:00:00"),
        "token_updated_at": moment("2024-12-16T10:30:00"),
    }


def _article() -> Document:
    return {
        "_id": ObjectId(ARTICLE),
        "title": "DeFi",
        "demand_score": 1.5,
        "quality_score": 2.0,
        "total_tokens_earned": 45.5,
        "contribution_count": 8,
        "last_contribution_date": moment("2024-12-15T14:20:00"),
        "token_metadata": {"featured": False, "high_demand": True, "expert_reviewed": False},
    }


def _contribution() -> Document:
    return {
        "_id": ObjectId("675ee6b00000000000000001"),
        "user_id": USER,
        "article_id": ARTICLE,
        "type": "creation",
        "base_points": 100,
        "quality_multiplier": 2.5,
        "reputation_multiplier": 1.2,
        "demand_multiplier": 1.8,
        "total_points": 540,
        "description": "Created comprehensive DeFi guide with examples",
        "metadata": {"word_count": 2500, "images_added": 3, "links_added": 12, "sources_cited": 8},
        "created_at": moment("2024-12-15T14:20:00"),
        "updated_at": moment("2024-12-15T14:20:00"),
    }


def _reward() -> Document:
    return {
        "_id": ObjectId("675f7a000000000000000002"),
        "user_id": USER,
        "weekly_distribution_id": DISTRIBUTION,
        "week_start": moment("2024-12-09T00:00:00"),
        "week_end": moment("2024-12-16T00:00:00"),
        "total_points": 540,
        "token_amount": 85.5,
        "staking_multiplier": 1.3,
        "transaction_signature": "3KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
        "status": "completed",
        "claimed_at": moment("2024-12-16T00:05:30"),
        "created_at": moment("2024-12-16T00:00:00"),
    }


def _distribution() -> Document:
    return {
        "_id": ObjectId(DISTRIBUTION),
        "week_start": moment("2024-12-09T00:00:00"),
        "week_end": moment("2024-12-16T00:00:00"),
        "total_points": 12500,
        "total_tokens": 10000.0,
        "point_to_token_ratio": 0.8,
        "user_count": 45,
        "distribution_tx_hash": "5KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
        "status": "completed",
        "started_at": moment("2024-12-16T00:00:00"),
        "completed_at": moment("2024-12-16T00:08:45"),
        "created_at": moment("2024-12-16T00:00:00"),
    }


def _stake() -> Document:
    return {
        "_id": ObjectId("674ba4000000000000000003"),
        "user_id": USER,
        "amount": 1000.0,
        "duration_days": 90,
        "apy_rate": 0.12,
        "multiplier": 1.3,
        "start_date": moment("2024-12-01T00:00:00"),
        "end_date": moment("2025-03-01T00:00:00"),
        "status": "active",
        "stake_tx_hash": "4KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
        "unstake_tx_hash": None,
        "rewards_earned": 15.5,
        "created_at": moment("2024-12-01T00:00:00"),
        "updated_at": moment("2024-12-15T12:00:00"),
    }


def _proposal() -> Document:
    return {
        "_id": ObjectId("675f7a000000000000000004"),
        "title": "Increase Weekly Reward Pool to 15,000 KONTRIB",
        "description": "Proposal to increase the weekly reward pool",
        "proposer_id": USER,
        "proposal_type": "parameter_change",
        "parameters": {
            "parameter_name": "weekly_token_pool",
            "current_value": 10000,
            "proposed_value": 15000,
        },
        "voting_start": moment("2024-12-16T00:00:00"),
        "voting_end": moment("2024-12-23T00:00:00"),
        "votes_for": 25000.0,
        "votes_against": 8000.0,
        "votes_abstain": 2000.0,
        "total_voting_power": 35000.0,
        "quorum_required": 20000.0,
        "status": "passed",
        "execution_tx_hash": "6KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
        "created_at": moment("2024-12-16T00:00:00"),
        "updated_at": moment("2024-12-23T00:05:00"),
    }


def _config() -> Document:
    points = {"creation": 100, "major_edit": 50, "minor_edit": 20, "review": 10, "translation": 75}
    return {
        "_id": "token_system",
        "contribution_types": {
            name: {"base_points": value, "description": name} for name, value in points.items()
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
        "updated_at": moment("2024-12-16T00:00:00"),
    }
