"""Stakes: allowed amounts, interest and end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.mongo.schema.seeds import CONFIG
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.plan.rules import rules_from
from worker.core.wiki.interest import accrued_interest
from worker.core.wiki.stake_record import StakeRecord, StakeStatus
from worker.core.wiki.staking import (
    StakeBelowMinimum,
    StakeBeyondEarned,
    StakeHasEnded,
    StakeOfZero,
    UnknownDuration,
    as_of,
    check_stake,
    ended_early,
    tier_of,
)

START = datetime(2024, 12, 1, 10, 30, tzinfo=UTC)
RULES = rules_from(CONFIG)
stake_amounts = st.integers(1, 10**19).map(BaseUnits)
rates = st.decimals(0, 2, places=4)
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda m: START + timedelta(minutes=m))


def a_stake(**facts: object) -> StakeRecord:
    made = StakeRecord(
        id="stake",
        user_id="ada",
        amount=BaseUnits(1000 * ONE_TOKEN),
        days=90,
        apy=Decimal("0.12"),
        multiplier=Decimal("1.3"),
        start=START,
        end=START + timedelta(days=90),
        accrued_through=START,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "apy", "multiplier"),
    [(30, "0.05", "1.1"), (90, "0.12", "1.3"), (180, "0.25", "1.6"), (365, "0.5", "2.0")],
)
def test_the_owners_tiers(days: int, apy: str, multiplier: str) -> None:
    tier = tier_of(RULES, days)
    assert (tier.apy, tier.multiplier) == (Decimal(apy), Decimal(multiplier))


@pytest.mark.parametrize("days", [0, -30, 31, 366])
def test_other_durations_are_unknown(days: int) -> None:
    with pytest.raises(UnknownDuration, match="30, 90, 180, 365"):
        tier_of(RULES, days)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_stake_is_allowed_exactly_if_it_is_earned_free_and_large_enough(
    amount: int, earned: int, staked: int, minimum: int
) -> None:
    try:
        check_stake(
            BaseUnits(amount),
            earned=BaseUnits(earned),
            staked=BaseUnits(staked),
            minimum=BaseUnits(minimum),
        )
        allowed = True
    except (StakeOfZero, StakeBelowMinimum, StakeBeyondEarned):
        allowed = False
    assert allowed == (amount > 0 and minimum <= amount <= earned - staked)


def test_a_year_earns_the_rate_exactly() -> None:
    assert accrued_interest(BaseUnits(1000 * ONE_TOKEN), Decimal("0.12"), 365) == 120 * ONE_TOKEN


@given(stake_amounts, rates, st.integers(0, 365))
def test_interest_is_rounded_down_once(amount: BaseUnits, apy: Decimal, days: int) -> None:
    exact = Fraction(apy) * amount * days / 365
    assert 0 <= exact - accrued_interest(amount, apy, days) < 1


@given(stake_amounts, rates, st.lists(moments, max_size=8), moments)
def test_interest_does_not_depend_on_when_or_how_often_it_is_looked_at(
    amount: BaseUnits, apy: Decimal, looks: list[datetime], last: datetime
) -> None:
    fresh = a_stake(amount=amount, apy=apy)
    looked_at = fresh
    for moment in sorted(looks):
        looked_at = as_of(looked_at, min(moment, last))
    assert as_of(looked_at, last) == as_of(fresh, last)


@given(moments)
def test_a_second_look_changes_nothing(moment: datetime) -> None:
    once = as_of(a_stake(), moment)
    assert as_of(once, moment) == once


@given(moments, moments)
def test_interest_never_goes_back(one: datetime, other: datetime) -> None:
    looked_at = as_of(as_of(a_stake(), one), other)
    assert looked_at.rewards_earned == as_of(a_stake(), max(one, other)).rewards_earned


def test_a_stake_is_complete_when_its_time_is_over() -> None:
    end = a_stake().end
    assert as_of(a_stake(), end - timedelta(milliseconds=1)).status is StakeStatus.ACTIVE
    assert as_of(a_stake(), end).status is StakeStatus.COMPLETED
    assert as_of(a_stake(), end + timedelta(days=99)) == as_of(a_stake(), end)


@given(moments)
def test_an_end_before_its_time_is_early(moment: datetime) -> None:
    ended = ended_early(a_stake(), moment, "sig")
    early = moment < a_stake().end
    assert ended.status is (StakeStatus.UNSTAKED_EARLY if early else StakeStatus.COMPLETED)
    assert ended.unstaked_at == (moment if early else None)
    assert ended.rewards_earned == as_of(a_stake(), moment).rewards_earned
    assert as_of(ended, moment + timedelta(days=400)) == ended


@pytest.mark.parametrize("status", [StakeStatus.COMPLETED, StakeStatus.UNSTAKED_EARLY])
def test_an_ended_stake_cannot_end_again(status: StakeStatus) -> None:
    with pytest.raises(StakeHasEnded, match=status.value):
        ended_early(a_stake(status=status), START, None)


def test_a_clock_that_stands_before_the_start_ends_it_at_its_start() -> None:
    ended = ended_early(a_stake(), START - timedelta(days=3), None)
    assert (ended.unstaked_at, ended.rewards_earned) == (START, 0)


def test_whether_it_was_active_is_decided_by_its_dates() -> None:
    stake = a_stake(unstaked_at=START + timedelta(days=5), status=StakeStatus.UNSTAKED_EARLY)
    days = {day: stake.is_active_at(START + timedelta(days=day)) for day in (-1, 0, 4, 5, 80)}
    assert days == {-1: False, 0: True, 4: True, 5: False, 80: False}
    assert not a_stake().is_active_at(a_stake().end)
