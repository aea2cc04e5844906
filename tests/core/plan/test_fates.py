"""Every contribution that a plan saw has one fate."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction

import pytest

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.plan.fates import ContributionsUnaccounted, Fates
from worker.core.plan.points import claimed_points
from worker.core.plan.rules import rules_from
from worker.core.week import Week

WEEK = Week.parse("2024-W50")
FATES = Fates(
    seen=21,
    counted=6,
    late=5,
    excluded=4,
    malformed=3,
    after_cutoff=3,
    points=90,
    points_left_out=10,
)


@pytest.mark.parametrize(
    "name", ["seen", "counted", "late", "excluded", "malformed", "after_cutoff"]
)
@pytest.mark.parametrize("by", [-1, 1])
def test_a_contribution_without_a_fate_or_with_two_stops_planning(name: str, by: int) -> None:
    FATES.check(WEEK)
    wrong = replace(FATES, **{name: getattr(FATES, name) + by})

    with pytest.raises(ContributionsUnaccounted) as caught:
        wrong.check(WEEK)

    assert wrong.equation() in str(caught.value)


def test_the_larger_share_of_contributions_and_points_counts() -> None:
    assert FATES.left_out() == Fraction(7, 18)
    assert replace(FATES, points_left_out=90).left_out() == Fraction(1, 2)
    assert replace(FATES, excluded=0, malformed=0, points_left_out=0).left_out() == 0
    assert Fates(0, 0, 0, 0, 0, 0, 0, 0).left_out() == 0
    assert Fates(3, 0, 0, 0, 3, 0, 0, 0).left_out() == 1


def test_what_comes_after_the_cut_off_is_no_part_of_the_share() -> None:
    assert Fates(9, 1, 0, 1, 0, 7, 5, 5).left_out() == Fraction(1, 2)


def test_fates_are_read_back_from_notes() -> None:
    assert Fates.read(asdict(FATES)) == FATES
    assert Fates.read(asdict(FATES) | {"late": None}) is None
    assert Fates.read({}) is None
    assert Fates.read(None) is None


@pytest.mark.parametrize(
    ("stored", "claimed"),
    [
        (20, 20),
        (20.5, 20),
        (-1, 0),
        (True, 0),
        ("20", 0),
        (None, 0),
        (float("nan"), 0),
        (float("inf"), 1125),
        (2**62, 1125),
    ],
)
def test_the_points_of_a_malformed_contribution_have_a_limit(stored: object, claimed: int) -> None:
    assert claimed_points(stored, rules_from(CONFIG).points.highest_of_all()) == claimed


@pytest.mark.parametrize(("stored", "claimed"), [(0, 0), (0.5, 0), (1, 1), (1125, 1125)])
def test_small_claims_count_as_they_are(stored: float, claimed: int) -> None:
    assert claimed_points(stored, 1125) == claimed
