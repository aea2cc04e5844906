"""How the counters of the wiki's own documents are read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from worker.core.money import ONE_TOKEN
from worker.core.wiki.stored_counters import (
    as_counted,
    counted_tokens,
    counted_whole,
    frozen,
    has_own_reputation,
    not_recounted,
    unreadable,
)

UNREADABLE = [
    "n/a",
    "",
    " 5",
    "+5",
    "-5",
    "1e3",
    "1_0",
    "1,5",
    "٥",
    "NaN",
    "5 points",
    True,
    [],
    [5],
]
UNREADABLE += [{}, {"a": 1}, -1, -0.5, float("nan"), float("inf"), Decimal("NaN"), b"5", 1e300]
UNREADABLE += [datetime(2024, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("value", [250.75, "250.75", Decimal("250.75"), "0250.750000000"])
def test_tokens_are_read_from_numbers_and_plain_decimals(value: object) -> None:
    assert counted_tokens(value) == 250_750_000_000


@pytest.mark.parametrize("value", [12, 12.0, "12", "12.0", Decimal(12), 11.5, "11.5"])
def test_counts_are_read_from_numbers_and_plain_decimals_rounded_up(value: object) -> None:
    assert counted_whole(value) == 12


@pytest.mark.parametrize("value", UNREADABLE)
def test_anything_else_cannot_be_read_and_freezes_its_counter(value: object) -> None:
    assert counted_tokens(value) is None
    assert counted_whole(value) is None
    document = {"total_points": value, "total_contributions": 3, "staked_tokens": 1.0}

    assert list(unreadable(document)) == ["total_points"]
    assert frozen(document) == {"total_points", "opening_total_points"}


def test_voting_power_waits_for_the_earned_tokens_that_it_follows_from() -> None:
    kept = frozen({"total_tokens_earned_base_units": "n/a"})

    assert {"total_tokens_earned", "governance_power", "governance_power_base_units"} <= kept
    assert "staked_tokens" not in kept


@pytest.mark.parametrize("value", ["2024-12-16", 1734307200, True, []])
def test_a_date_of_another_type_is_frozen(value: object) -> None:
    assert frozen({"last_reward_claim": value}) == {"last_reward_claim"}


@pytest.mark.parametrize("missing", [{}, {"total_points": None, "last_reward_claim": None}])
def test_a_missing_counter_is_readable(missing: dict[str, object]) -> None:
    assert frozen(missing) == frozenset()


def test_readable_counters_are_shown_as_a_recount_writes_them() -> None:
    document = {"total_points": "12", "staked_tokens": "0.30000000000000004", "title": "5"}

    assert as_counted(document) == {"total_points": 12, "staked_tokens": 0.3, "title": "5"}
    assert counted_tokens("1") == ONE_TOKEN


@pytest.mark.parametrize(
    ("document", "own"),
    [
        ({}, False),
        ({"reputation_score": None}, False),
        ({"reputation_score": 1.2}, True),
        ({"reputation_score": 1.2, "kontrib_reputation_score": 1.0}, True),
        ({"reputation_score": 1, "kontrib_reputation_score": 1.0}, False),
    ],
)
def test_a_score_is_the_wikis_unless_this_system_wrote_it(
    document: dict[str, object], own: bool
) -> None:
    assert has_own_reputation(document) == own


def test_every_counter_is_the_wikis_until_there_are_opening_balances() -> None:
    opened = {"opening_total_tokens_earned_base_units": None}

    assert "total_points" in not_recounted({})
    assert not_recounted(opened) == frozenset()
    assert not_recounted({**opened, "kontrib_not_recounted": ["a"]}) == {"a"}
    assert not_recounted({**opened, "kontrib_not_recounted": "a"}) == frozenset()
