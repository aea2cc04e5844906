"""The summary fields of distributions and rewards, for readers."""

from __future__ import annotations

from fractions import Fraction

from tests.core.strategies import a_header
from worker.core.money import BaseUnits
from worker.core.plan.totals import plan_totals, point_to_token_ratio, reward_figures

PLAN = {"total_points": 400, "total_weight": 500 * 10**6, "total_amount": BaseUnits(10**12)}


def test_a_plans_totals_follow_from_its_header() -> None:
    assert plan_totals(a_header(payable=2, held=1, **PLAN)) == {
        "total_points": 400,
        "total_tokens": 1000.0,
        "total_amount_base_units": 10**12,
        "point_to_token_ratio": 2.0,
        "user_count": 3,
    }


def test_the_ratio_is_of_weighted_points_and_of_plain_points_under_a_bonus_on_top() -> None:
    on_top = {"pool": str(8 * 10**11), "staking_bonus": "on_top"}

    assert point_to_token_ratio(a_header(**PLAN)) == Fraction(2)
    assert point_to_token_ratio(a_header(**PLAN | {"rules": on_top})) == Fraction(2)
    assert point_to_token_ratio(a_header(**PLAN | {"rules": on_top, "total_points": 200})) == 4
    assert point_to_token_ratio(a_header(**PLAN | {"total_weight": 0})) == 0


def test_a_rewards_figures_are_tokens_and_a_plain_multiplier() -> None:
    assert reward_figures(1_500_000_000, 1_100_000) == {
        "token_amount": 1.5,
        "staking_multiplier": 1.1,
    }
