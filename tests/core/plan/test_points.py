"""The points of a contribution, and defects of recorded contributions (P9)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor, inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import UsageError
from worker.core.money import MalformedAmount
from worker.core.plan.points import (
    PointRules,
    Range,
    UnknownContributionType,
    claimed_points,
    defect,
    total_points,
)


def a_range(low: str, high: str, default: str = "1") -> Range:
    return Range(Decimal(low), Decimal(high), Decimal(default))


RULES = PointRules(
    base_points={"creation": 100, "minor_edit": 20, "review": 10, "none": 0},
    quality=a_range("0.5", "3"),
    reputation=a_range("0.8", "1.5"),
    demand=a_range("1", "2.5"),
)
FINE = PointRules({"creation": 1}, *[a_range("0", "9") for _ in range(3)])


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def clamped(value: float | Decimal, low: str, high: str) -> Fraction:
    exact = Fraction(str(value))
    return max(Fraction(low), min(Fraction(high), exact))


def test_the_owners_example_is_worth_540() -> None:
    assert total_points(RULES, "creation", quality=2.5, reputation=1.2, demand=1.8) == 540


def test_missing_multipliers_have_their_defaults() -> None:
    assert total_points(RULES, "creation") == 100
    assert total_points(RULES, "creation", quality=2) == 200


@pytest.mark.parametrize(
    ("quality", "points"), [(9, 300), (3, 300), (0.5, 50), (0.1, 50), (-4, 50), (1e300, 300)]
)
def test_a_multiplier_is_clamped_to_its_range(quality: float, points: int) -> None:
    assert total_points(RULES, "creation", quality=quality) == points


@pytest.mark.parametrize(
    ("quality", "points"), [("0.5", 1), ("0.49", 0), ("1.5", 2), ("2.5", 3), ("2.4999999", 2)]
)
def test_halves_are_rounded_up(quality: str, points: int) -> None:
    assert total_points(FINE, "creation", quality=quality) == points


def test_a_value_just_below_a_half_is_not_rounded_twice() -> None:
    just_below = "0." + "4" + "9" * 60

    assert total_points(FINE, "creation", quality=just_below) == 0


def test_the_callers_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 2
        points = total_points(RULES, "creation", quality="1.2345", reputation=1.2, demand=1.8)

    assert points == 267


numbers = st.floats(-1, 12, allow_nan=False) | st.decimals(0, 4, places=6)


@given(st.sampled_from(sorted(RULES.base_points)), numbers, numbers, numbers)
def test_points_are_those_of_exact_fractions(kind: str, quality, reputation, demand) -> None:
    exact = RULES.base_points[kind] * clamped(quality, "0.5", "3")
    exact *= clamped(reputation, "0.8", "1.5") * clamped(demand, "1", "2.5")

    points = total_points(RULES, kind, quality=quality, reputation=reputation, demand=demand)

    assert points == half_up(exact)
    assert 0 <= points <= RULES.highest_points(kind)


@pytest.mark.parametrize("kind", ["creations", "", None, 7, ["creation"], {}, nan])
def test_an_unknown_type_is_refused_by_name(kind: object) -> None:
    with pytest.raises(UnknownContributionType, match="creation, minor_edit") as raised:
        total_points(RULES, kind)

    assert raised.value.name is kind


@pytest.mark.parametrize("quality", [nan, inf, -inf, True, "high", "", [], {}, b"1"])
def test_a_multiplier_that_is_no_number_is_refused(quality: object) -> None:
    with pytest.raises(MalformedAmount):
        total_points(RULES, "creation", quality=quality)


@pytest.mark.parametrize(
    ("low", "high", "default"),
    [("2", "1", "1"), ("-1", "1", "1"), ("1", "2", "3"), ("2", "3", "1")],
)
def test_a_range_that_contradicts_itself_cannot_be_built(low: str, high: str, default: str) -> None:
    with pytest.raises(UsageError, match="min <= default <= max"):
        a_range(low, high, default)


def test_the_most_that_a_contribution_can_be_worth() -> None:
    assert RULES.highest_points("creation") == 1125
    assert RULES.highest_points("review") == 113  # 112.5, rounded half up like the points


def a_contribution(**changes: Any) -> dict[str, Any]:
    good = {"user_id": "u1", "created_at_is_date": True, "type": "creation", "total_points": 540}
    return {**good, **changes}


@pytest.mark.parametrize("points", [0, 1, 540, 1125, 540.0, -0.0])
def test_a_whole_number_of_points_within_the_limits_counts(points: object) -> None:
    assert defect(RULES, a_contribution(total_points=points)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"created_at_is_date": False}, "created_at is not a date"),
        ({"created_at_is_date": None}, "created_at is not a date"),
        ({"user_id": None}, "no user"),
        ({"user_id": ""}, "no user"),
        ({"type": "Creation"}, "unknown type"),
        ({"type": None}, "unknown type"),
        ({"type": ["creation"]}, "unknown type"),
        ({"type": {"creation": 1}}, "unknown type"),
        ({"total_points": None}, "points are not a number"),
        ({"total_points": "540"}, "points are not a number"),
        ({"total_points": True}, "points are not a number"),
        ({"total_points": False}, "points are not a number"),
        ({"total_points": [540]}, "points are not a number"),
        ({"total_points": Decimal(540)}, "points are not a number"),
        ({"total_points": nan}, "points are not a whole number"),
        ({"total_points": inf}, "points are not a whole number"),
        ({"total_points": -inf}, "points are not a whole number"),
        ({"total_points": 540.5}, "points are not a whole number"),
        ({"total_points": -1}, "points are negative"),
        ({"total_points": -540.0}, "points are negative"),
        ({"total_points": 1126}, "points are beyond the highest possible"),
        ({"total_points": 1e300}, "points are beyond the highest possible"),
        ({"total_points": 2**63}, "points are beyond the highest possible"),
        ({"total_points": 1, "type": "none"}, "points are beyond the highest possible"),
    ],
)
def test_a_malformed_contribution_is_left_out_with_its_reason(changes, reason: str) -> None:
    assert defect(RULES, a_contribution(**changes)) == reason


def test_an_empty_document_is_a_defect_and_no_crash() -> None:
    assert defect(RULES, {}) == "created_at is not a date"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(anything, anything, anything)
def test_whatever_is_stored_gets_a_verdict(user: object, kind: object, points: object) -> None:
    document = a_contribution(user_id=user, type=kind, total_points=points)

    verdict = defect(RULES, document)

    assert (verdict is None) == (
        bool(user)
        and isinstance(kind, str)
        and kind in RULES.base_points
        and defect(RULES, a_contribution(type=kind, total_points=points)) is None
    )


@given(anything)
def test_whatever_the_points_are_only_whole_ones_within_the_limits_count(points: object) -> None:
    verdict = defect(RULES, a_contribution(total_points=points))

    number = isinstance(points, int | float) and not isinstance(points, bool)
    counts = number and 0 <= points <= 1125 and points == floor(points)
    assert (verdict is None) == counts


@given(st.sampled_from(sorted(RULES.base_points)), numbers, numbers, numbers)
def test_what_we_compute_is_never_a_defect(kind: str, quality, reputation, demand) -> None:
    points = total_points(RULES, kind, quality=quality, reputation=reputation, demand=demand)

    assert defect(RULES, a_contribution(type=kind, total_points=points)) is None


def test_a_malformed_contribution_claims_its_number_up_to_the_limit() -> None:
    claims = {-1: 0, 0: 0, 0.5: 0, 1: 1, 7.9: 7, 10: 10, 11: 10}
    assert {points: claimed_points(points, 10) for points in claims} == claims
    assert [claimed_points(points, 10) for points in (True, None, "7", float("nan"))] == [0] * 4


def test_without_types_no_contribution_is_worth_anything() -> None:
    assert replace(RULES, base_points={}).highest_of_all() == 0
    assert RULES.highest_of_all() == RULES.highest_points("creation")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "No contribution type. Use one of: creation, review."),
        ("poem", "Unknown contribution type 'poem'. Use one of: creation, review."),
    ],
)
def test_a_type_that_is_missing_or_unknown_is_said_to_be_so(name: object, message: str) -> None:
    assert str(UnknownContributionType(name, ["creation", "review"])) == message
