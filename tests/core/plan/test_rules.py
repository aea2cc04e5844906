"""The owner's `system_config`: defaults, snapshot, and every malformed value by its name."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.money import ONE_TOKEN
from worker.core.plan.allocation import Policy, StakingBonus
from worker.core.plan.commitment import canonical_json
from worker.core.plan.condition import Condition
from worker.core.plan.points import total_points
from worker.core.plan.rules import MalformedRules, StakingTier, rules_from

OWNERS: dict[str, Any] = {
    "_id": "token_system",
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
_REMOVED = object()


def with_value(name: str, value: object) -> dict[str, Any]:
    """The owner's document with one dotted name changed or removed."""
    document = deepcopy(OWNERS)
    *parents, last = name.split(".")
    target = document
    for part in parents:
        target = target[part]
    if value is _REMOVED:
        del target[last]
    else:
        target[last] = value
    return document


def test_the_owners_document_is_read_as_it_is() -> None:
    rules = rules_from(OWNERS)

    assert rules.policy == Policy(10_000 * ONE_TOKEN, ONE_TOKEN, StakingBonus.WITHIN_POOL)
    assert rules.points.base_points["translation"] == 75
    assert total_points(rules.points, "creation", quality=2.5, reputation=1.2, demand=1.8) == 540
    assert rules.staking_tiers == (
        StakingTier(30, Decimal("0.05"), Decimal("1.1")),
        StakingTier(90, Decimal("0.12"), Decimal("1.3")),
        StakingTier(180, Decimal("0.25"), Decimal("1.6")),
        StakingTier(365, Decimal("0.5"), Decimal("2.0")),
    )


def test_what_the_owner_did_not_write_has_defaults() -> None:
    rules = rules_from(OWNERS)

    assert (rules.min_points, rules.min_stake, rules.hold_weeks) == (10, 0, None)
    assert (rules.eligibility, rules.require_approval) == ((), False)
    assert rules.max_new_accounts_per_week == 1_000_000
    assert rules.reputation_steps == ()


@pytest.mark.parametrize("none", [[], None])
def test_a_wiki_may_keep_its_own_reputation(none: object) -> None:
    assert rules_from({**OWNERS, "reputation_steps": none}).reputation_steps == ()


def test_the_reputation_of_a_new_database_has_steps() -> None:
    assert rules_from(CONFIG).reputation_steps == (
        (0, Decimal("0.8")),
        (5, Decimal("1.0")),
        (25, Decimal("1.2")),
        (100, Decimal("1.5")),
    )


@pytest.mark.parametrize(
    ("name", "value", "attribute", "read"),
    [
        ("staking_bonus", "on_top", "staking_bonus", StakingBonus.ON_TOP),
        ("min_points", 25.0, "min_points", 25),
        ("min_stake", 0.5, "min_stake", ONE_TOKEN // 2),
        ("hold_weeks", 26, "hold_weeks", 26),
        ("hold_weeks", None, "hold_weeks", None),
        ("max_new_accounts_per_week", 7, "max_new_accounts_per_week", 7),
        ("require_approval", True, "require_approval", True),
        ("max_left_out", 0.25, "max_left_out", Fraction(1, 4)),
        ("max_left_out", 1, "max_left_out", 1),
        ("weekly_pool", "10000.000000001", "pool", 10_000 * ONE_TOKEN + 1),
        ("weekly_pool", 0, "pool", 0),
        ("min_tokens_per_user", 0, "floor", 0),
    ],
)
def test_what_the_owner_writes_counts(name: str, value: object, attribute: str, read) -> None:
    assert getattr(rules_from(with_value(name, value)), attribute) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contribution_types", _REMOVED),
        ("contribution_types", None),
        ("contribution_types", ["creation"]),
        ("contribution_types", {"creation": 100}),
        ("contribution_types", {"creation": {}}),
        ("contribution_types", {"creation": {"base_points": -1}}),
        ("contribution_types", {"creation": {"base_points": 1.5}}),
        ("contribution_types", {"creation": {"base_points": "many"}}),
        ("contribution_types", {"creation": {"base_points": True}}),
        ("multipliers.quality", _REMOVED),
        ("multipliers.quality", 1.0),
        ("multipliers.quality", {}),
        ("multipliers.reputation", {"min": 0.8}),
        ("multipliers.reputation", {"min": 2, "max": 1}),
        ("multipliers.reputation", {"min": 2, "max": 3}),  # the default of 1 is outside
        ("multipliers.demand", {"min": -1, "max": 2.5}),
        ("multipliers.demand", {"min": float("nan"), "max": 2.5}),
        ("multipliers.demand", {"min": 1, "max": float("inf")}),
        ("multipliers.demand", {"min": 1, "max": "2,5"}),
        ("max_left_out", -0.1),
        ("max_left_out", 1.1),
        ("max_left_out", 50),
        ("max_left_out", "half"),
        ("max_left_out", None),
        ("max_left_out", True),
        ("weekly_pool", _REMOVED),
        ("weekly_pool", None),
        ("weekly_pool", -1),
        ("weekly_pool", True),
        ("weekly_pool", float("nan")),
        ("weekly_pool", 10**11),
        ("weekly_pool", "0.0000000001"),
        ("weekly_pool", "1E+999999"),
        ("min_tokens_per_user", _REMOVED),
        ("min_tokens_per_user", -0.5),
        ("min_tokens_per_user", [1]),
        ("staking_bonus", "ontop"),
        ("staking_bonus", None),
        ("min_points", 0),
        ("min_points", 1.5),
        ("min_points", "ten"),
        ("min_stake", -1),
        ("staking_tiers", _REMOVED),
        ("staking_tiers", []),
        ("staking_tiers", {"month": {"apy": 0.05, "multiplier": 1.1}}),
        ("staking_tiers", {"30_days": {"apy": 0.05}}),
        ("staking_tiers", {"30_days": {"multiplier": 1.1}}),
        ("staking_tiers", {"30_days": {"apy": 0.05, "multiplier": 0.9}}),
        ("staking_tiers", {"30_days": {"apy": 0.05, "multiplier": 1.1234567}}),
        ("staking_tiers", {"30_days": {"apy": 0.05, "multiplier": "NaN"}}),
        ("eligibility", None),
        ("eligibility", {"field": "status", "in": ["active"]}),
        ("eligibility", [{"field": "status"}]),
        ("eligibility", [{"in": ["active"]}]),
        ("eligibility", [{"field": "status", "in": 7}]),
        ("eligibility", ["active"]),
        ("hold_weeks", 0),
        ("hold_weeks", "soon"),
        ("max_new_accounts_per_week", 0),
        ("max_new_accounts_per_week", None),
        ("reputation_steps", [{"contributions": 5, "reputation": 1}]),
        ("reputation_steps", [{"contributions": 0}]),
        ("reputation_steps", 7),
        ("staking_tiers", {"30_days": {"apy": -0.1, "multiplier": 1.1}}),
    ],
)
def test_a_malformed_value_is_refused_by_its_dotted_name(name: str, value: object) -> None:
    with pytest.raises(MalformedRules, match=f"system_config.{name} is not usable") as raised:
        rules_from(with_value(name, value))

    assert raised.value.name == name


def test_a_missing_document_says_what_to_run() -> None:
    with pytest.raises(
        MalformedRules, match=": the document does not exist; run `kontrib m"
    ) as raised:
        rules_from(None)

    assert raised.value.name == "token_system"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["min", "max", "field", "in", "30_days"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
names = st.sampled_from(
    [
        "contribution_types",
        "multipliers",
        "multipliers.quality",
        "weekly_pool",
        "min_tokens_per_user",
        "staking_tiers",
        "staking_bonus",
        "min_points",
        "min_stake",
        "eligibility",
        "hold_weeks",
        "max_new_accounts_per_week",
        "reputation_steps",
    ]
)


@given(names, json_values)
def test_whatever_a_value_is_the_rules_are_read_or_it_is_named(name: str, value: object) -> None:
    refused_name, snapshot = name, {}
    try:
        snapshot = rules_from(with_value(name, value)).snapshot()
    except MalformedRules as refused:
        refused_name = refused.name

    assert refused_name.startswith(name)
    assert json.loads(canonical_json(snapshot)) == snapshot


# --- conditions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "value", "qualifies"),
    [
        ({"field": "status", "in": ["active"]}, "active", True),
        ({"field": "status", "in": ["active"]}, "banned", False),
        ({"field": "status", "in": ["active"]}, None, False),
        ({"field": "status", "not_in": ["banned"]}, "banned", False),
        ({"field": "status", "not_in": ["banned"]}, "active", True),
        ({"field": "status", "not_in": ["banned"]}, None, True),
        ({"field": "banned", "not_in": [True]}, True, False),
        ({"field": "banned", "not_in": [True]}, False, True),
        ({"field": "level", "in": [1, 2]}, 2, True),
        ({"field": "level", "in": []}, 2, False),
    ],
)
def test_an_account_qualifies_by_its_field(entry, value: object, qualifies: bool) -> None:
    (condition,) = rules_from(with_value("eligibility", [entry])).eligibility

    assert condition.holds({condition.field: value}) is qualifies
    assert condition.field == entry["field"]


def test_a_condition_is_written_as_it_was_read() -> None:
    condition = Condition("status", ("banned", "spam"), negated=True)

    document = condition.as_document()

    assert document == {"field": "status", "not_in": ["banned", "spam"]}
    assert rules_from(with_value("eligibility", [document])).eligibility == (condition,)


# --- the snapshot ------------------------------------------------------------------------------


def snapshot(document: dict[str, Any]) -> bytes:
    return canonical_json(rules_from(document).snapshot())


def test_the_snapshot_of_the_owners_document() -> None:
    assert rules_from(OWNERS).snapshot() == {
        "base_points": {
            "creation": "100",
            "major_edit": "50",
            "minor_edit": "20",
            "review": "10",
            "translation": "75",
        },
        "eligibility": [],
        "hold_weeks": "",
        "min_amount": "1000000000",
        "min_points": "10",
        "min_stake": "0",
        "multipliers": {
            "demand": {"max": "2.5", "min": "1"},
            "quality": {"max": "3", "min": "0.5"},
            "reputation": {"max": "1.5", "min": "0.8"},
        },
        "pool": "10000000000000",
        "staking_bonus": "within_pool",
    }


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return value


def test_the_snapshot_does_not_depend_on_the_order_of_keys() -> None:
    assert snapshot(_reversed(OWNERS)) == snapshot(OWNERS)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("weekly_pool", "10000.00"),
        ("weekly_pool", Decimal("1E+4")),
        ("min_tokens_per_user", 1),
        ("multipliers.quality", {"min": "0.50", "max": 3, "default": 1}),
        ("multipliers.quality", {"min": Decimal("5E-1"), "max": Decimal("0.3E+1")}),
        ("staking_bonus", "within_pool"),
        ("min_points", 10.0),
        ("hold_weeks", None),
        ("updated_at", "whenever"),
        ("contribution_types.creation.description", "Something else"),
        ("contribution_types.creation.base_points", 100.0),
    ],
)
def test_the_snapshot_does_not_depend_on_how_a_value_is_written(name: str, same: object) -> None:
    assert snapshot(with_value(name, same)) == snapshot(OWNERS)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("weekly_pool", "10000.000000001"),
        ("min_tokens_per_user", 0),
        ("multipliers.demand", {"min": 1, "max": 10}),
        ("multipliers.demand", {"min": 0, "max": 2.5}),
        ("staking_bonus", "on_top"),
        ("min_points", 11),
        ("min_stake", 1),
        ("hold_weeks", 4),
        ("eligibility", [{"field": "status", "in": ["active"]}]),
        ("contribution_types.creation.base_points", 101),
    ],
)
def test_every_rule_that_decides_an_amount_is_in_the_snapshot(name: str, other: object) -> None:
    assert snapshot(with_value(name, other)) != snapshot(OWNERS)


def test_a_snapshot_holds_texts_only() -> None:
    def leaves(value: object) -> list[object]:
        if isinstance(value, dict | list):
            inner = value.values() if isinstance(value, dict) else value
            return [leaf for item in inner for leaf in leaves(item)]
        return [value]

    document = with_value("eligibility", [{"field": "level", "not_in": [1, True, None]}])

    assert all(isinstance(leaf, str) for leaf in leaves(rules_from(document).snapshot()))


def test_the_first_condition_that_fails_is_named() -> None:
    bots, guests = ({"field": "user.role", "not_in": [role]} for role in ("bot", "guest"))
    rules = rules_from(OWNERS | {"eligibility": [bots, guests]})
    first, second = rules.eligibility

    assert rules.eligibility_fields() == ["user"]
    assert rules.failed_condition({"user": {"role": "editor"}}) is None
    assert rules.failed_condition({"user": {"role": "bot"}}) == first
    assert rules.failed_condition({"user": {"role": "guest"}}) == second


@pytest.mark.parametrize("share", [0, 1])
def test_both_ends_of_a_share_count(share: int) -> None:
    assert rules_from(OWNERS | {"max_left_out": share}).max_left_out == share


@pytest.mark.parametrize("share", [-0.01, 1.01])
def test_a_share_outside_is_refused_with_its_value(share: float) -> None:
    with pytest.raises(MalformedRules, match=f"{share} is not a share from 0 to 1"):
        rules_from(OWNERS | {"max_left_out": share})


def test_a_snapshot_writes_whole_and_tiny_numbers_in_full() -> None:
    quality = {"min": "0.00000001", "max": 100, "default": 1}
    document = OWNERS | {"multipliers": OWNERS["multipliers"] | {"quality": quality}}
    snapshot = rules_from(document | {"hold_weeks": 26}).snapshot()

    assert snapshot["multipliers"]["quality"] == {"max": "100", "min": "0.00000001"}
    assert snapshot["hold_weeks"] == "26"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("min_points", 0, "0 is below 1"),
        ("min_points", 0.5, "0.5 is not a whole, non-negative number"),
        ("require_approval", 1, "1 is neither true nor false"),
        ("eligibility", {"field": "role"}, "is not a list of conditions"),
        (
            "reputation_steps",
            [{"contributions": 1, "reputation": 1}],
            "usable: the first step must begin at 0 contributions",
        ),
        ("staking_tiers", {"30_days": {"apy": -0.1, "multiplier": 1}}, "an APY of -0.1 is below 0"),
    ],
)
def test_a_malformed_value_is_refused_with_its_reason(name: str, value: object, why: str) -> None:
    with pytest.raises(MalformedRules, match=why):
        rules_from(OWNERS | {name: value})


def test_a_missing_value_and_one_of_a_wrong_type_say_so() -> None:
    with pytest.raises(MalformedRules, match=r"weekly_pool is not usable: it is missing\."):
        rules_from({k: v for k, v in OWNERS.items() if k != "weekly_pool"})
    with pytest.raises(MalformedRules, match=r"reputation_steps is not usable: TypeError: "):
        rules_from(with_value("reputation_steps", 7))


def test_the_lowest_values_count() -> None:
    rules = rules_from(
        OWNERS
        | {"min_points": 1, "max_new_accounts_per_week": 1, "hold_weeks": 1}
        | {"staking_tiers": {"30_days": {"apy": 0, "multiplier": 1}}}
    )
    assert (rules.min_points, rules.max_new_accounts_per_week, rules.hold_weeks) == (1, 1, 1)
    assert rules.staking_tiers[0].apy == 0


def test_a_multiplier_has_its_own_default_up_to_both_ends() -> None:
    for default in ("0.5", "2", "3.0"):
        rules = rules_from(with_value("multipliers.quality.default", default))
        assert rules.points.quality.default == Decimal(default)
