"""The parameters that a vote may change, and their limits."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.rules import MalformedRules, rules_from
from worker.core.wiki.parameters import BeyondRange, UnknownParameter, checked_change

NAMES = [
    *("weekly_pool", "weekly_token_pool", "min_tokens_per_user", "min_points", "min_stake"),
    *("multipliers.quality.min", "multipliers.demand.max", "multipliers.reputation.default"),
    *("contribution_types.creation.base_points", "staking_tiers.365_days.apy"),
    *("staking_tiers.30_days.multiplier", "staking_bonus"),
]
values: Any = st.one_of(
    st.integers(-10, 2_000_000),
    st.floats(-10, 2e6),
    st.decimals(allow_nan=True),
    st.text(max_size=5),
    st.sampled_from(["within_pool", "on_top", "15000", "0.1", True, None, [], {}]),
)


@given(st.sampled_from(NAMES), values)
def test_whatever_is_accepted_leaves_a_usable_configuration(name: str, value: Any) -> None:
    before = copy.deepcopy(CONFIG)
    try:
        change = checked_change(CONFIG, name, value)
    except BeyondRange:
        assert before == CONFIG
        return
    rules_from(change.document)
    found: Any = change.document
    for part in change.path:
        found = found[part]
    assert found == change.new
    assert before == CONFIG


@given(st.sampled_from(NAMES))
def test_the_value_that_is_there_is_always_accepted(name: str) -> None:
    change = checked_change(CONFIG, name, _current(name))
    assert change.document == CONFIG


def _current(name: str) -> Any:
    found: Any = CONFIG
    for part in name.replace("weekly_token_pool", "weekly_pool").split("."):
        found = found[part]
    return found


def test_the_owners_name_for_the_pool_is_an_alias() -> None:
    change = checked_change(CONFIG, "weekly_token_pool", 15000)
    assert (change.path, change.old, change.new) == (("weekly_pool",), 10000, 15000)
    assert rules_from(change.document).pool == 15_000 * 10**9


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", "_id", "eligibility", "hold_weeks", "require_approval", "updated_at"),
        *("weekly_pool.x", "multipliers", "multipliers.luck.max", "multipliers.quality.$set"),
        *("contribution_types.poem.base_points", "contribution_types.creation.description"),
        *("staking_tiers.31_days.apy", "staking_tiers", "reputation_steps", "governance_changes"),
    ],
)
def test_what_is_not_listed_is_unknown(name: str) -> None:
    with pytest.raises(UnknownParameter):
        checked_change(CONFIG, name, 1)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("weekly_pool", "0.9", "from 1 to 1000000"),
        ("weekly_pool", 1_000_001, "from 1 to 1000000"),
        ("weekly_pool", float("nan"), "must be a number"),
        ("weekly_pool", True, "must be a number"),
        ("weekly_pool", "10000.0000000001", "finer than"),
        ("min_points", 1.5, "whole number"),
        ("min_points", 0, "from 1"),
        ("staking_bonus", "free money", "within_pool or on_top"),
        ("multipliers.quality.min", 1.01, "needs 0 <= min <= default <= max"),
        ("multipliers.quality.max", 0.9, "needs 0 <= min <= default <= max"),
        ("staking_tiers.30_days.multiplier", 0.99, "from 1 to 5"),
        ("staking_tiers.30_days.apy", "0.12345678901234567890123", "more digits"),
    ],
)
def test_what_is_beyond_its_range_says_why(name: str, value: Any, why: str) -> None:
    with pytest.raises(BeyondRange, match=why):
        checked_change(CONFIG, name, value)


def test_a_configuration_that_is_broken_already_is_named_itself() -> None:
    with pytest.raises(MalformedRules, match="weekly_pool"):
        checked_change(CONFIG | {"weekly_pool": -1}, "min_points", 5)
    with pytest.raises(MalformedRules, match="does not exist"):
        checked_change(None, "min_points", 5)


def test_a_value_that_has_only_a_default_can_be_set() -> None:
    document = {key: value for key, value in CONFIG.items() if key != "min_points"}
    change = checked_change(document, "min_points", "20")
    assert (change.old, change.new) == (None, 20)
