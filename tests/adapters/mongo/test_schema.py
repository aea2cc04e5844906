"""The owner's schema, word for word, and the rules of our schema."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from worker.adapters.mongo.schema.seeds import ADDED_CONFIG, CONFIG, OWNER_CONFIG
from worker.adapters.mongo.schema.spec import COLLECTIONS
from worker.core.plan.rules import rules_from

SPECS = {spec.name: spec for spec in COLLECTIONS}

OWNERS_INDEXES: dict[str, set[tuple[tuple[str, int], ...]]] = {
    "users": {
        (("wallet_address", 1),),
        (("reputation_score", -1),),
        (("total_points", -1),),
    },
    "contributions": {
        (("user_id", 1), ("created_at", -1)),
        (("article_id", 1), ("created_at", 1)),
        (("type", 1),),
        (("total_points", -1),),
        (("created_at", -1),),
    },
    "token_rewards": {
        (("user_id", 1), ("week_start", 1)),
        (("weekly_distribution_id", 1),),
        (("status", 1),),
        (("created_at", -1),),
    },
    "weekly_distributions": {(("week_start", 1),), (("status", 1),), (("created_at", -1),)},
    "staking_records": {
        (("user_id", 1), ("status", 1)),
        (("end_date", 1),),
        (("created_at", -1),),
    },
    "governance_proposals": {
        (("proposer_id", 1),),
        (("status", 1),),
        (("voting_end", 1),),
        (("created_at", -1),),
    },
}


@pytest.mark.parametrize("collection", OWNERS_INDEXES)
def test_every_index_of_the_owner_is_there(collection: str) -> None:
    ours = {index.keys for index in SPECS[collection].indexes}

    assert ours >= OWNERS_INDEXES[collection]


def test_wallets_and_weeks_are_unique_as_the_owner_wants() -> None:
    wallet = next(i for i in SPECS["users"].indexes if i.name == "wallet_address_1")
    week = next(i for i in SPECS["weekly_distributions"].indexes if i.name == "week_start_1")

    assert wallet.options == {"name": "wallet_address_1", "unique": True, "sparse": True}
    assert week.options == {"name": "week_start_1", "unique": True}


def test_index_names_are_told_apart_within_a_collection() -> None:
    for spec in COLLECTIONS:
        assert len({index.name for index in spec.indexes}) == len(spec.indexes), spec.name


OWNERS_FIELDS: dict[str, dict[str, Any]] = {
    "users": {
        "reputation_score": 1.0,
        "total_contributions": 0,
        "total_points": 0,
        "total_tokens_earned": 0.0,
        "staked_tokens": 0.0,
        "governance_power": 0.0,
        "last_reward_claim": None,
        "token_updated_at": None,
    },
    "articles": {
        "demand_score": 1.0,
        "quality_score": 1.0,
        "total_tokens_earned": 0.0,
        "contribution_count": 0,
        "last_contribution_date": None,
        "token_metadata": {"featured": False, "high_demand": False, "expert_reviewed": False},
    },
}


@pytest.mark.parametrize("collection", OWNERS_FIELDS)
def test_the_owners_added_fields_have_their_defaults(collection: str) -> None:
    expected, ours = OWNERS_FIELDS[collection], SPECS[collection].added_fields

    assert {name: ours[name] for name in expected} == expected


def money_fields(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    names = ("base_units", "micros", "fee")
    return [(name, rule) for name, rule in schema["properties"].items() if name.endswith(names)]


def test_money_is_a_long_wherever_it_is_ours() -> None:
    found = 0
    for spec in COLLECTIONS:
        if spec.validator is None:
            continue
        for name, rule in money_fields(spec.validator.schema):
            kinds = rule["bsonType"] if isinstance(rule["bsonType"], list) else [rule["bsonType"]]
            assert set(kinds) <= {"long", "null"}, f"{spec.name}.{name}"
            assert rule["minimum"] == 0
            found += 1
    assert found >= 6


def test_the_wiki_is_never_stopped_from_writing() -> None:
    for spec in COLLECTIONS:
        if spec.wiki_owned:
            assert spec.validator is None
    contributions = SPECS["contributions"].validator
    assert contributions is not None
    assert contributions.options["validationAction"] == "warn"


def test_the_seed_is_the_owners_document_and_our_defaults() -> None:
    assert OWNER_CONFIG["weekly_pool"] == 10000.0
    assert OWNER_CONFIG["min_tokens_per_user"] == 1.0
    assert set(OWNER_CONFIG["staking_tiers"]) == {"30_days", "90_days", "180_days", "365_days"}
    assert not set(OWNER_CONFIG) & set(ADDED_CONFIG)
    seeded, owners = rules_from(CONFIG), rules_from(OWNER_CONFIG)
    # The owner's document has no steps, so the wiki's own scores count until migration chooses.
    assert owners.reputation_steps == ()
    assert seeded == replace(owners, reputation_steps=seeded.reputation_steps)
