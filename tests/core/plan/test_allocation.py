"""P1: the amounts of a week sum exactly, and each is within one base unit of its share."""

from __future__ import annotations

import tracemalloc
from array import array
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.oracle import expected
from tests.core.strategies import Split, splits
from worker.core.errors import UsageError
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.plan.allocation import (
    MULTIPLIER_SCALE,
    Allocation,
    AllocationDoesNotSum,
    Lifting,
    Policy,
    StakingBonus,
    allocate,
    lifting_of,
    scaled_multiplier,
    single_amount,
)

POOL = BaseUnits(10_000 * ONE_TOKEN)
WITHIN, ON_TOP = StakingBonus.WITHIN_POOL, StakingBonus.ON_TOP


def run(split: Split) -> Allocation:
    return allocate(split.points, split.multipliers, split.policy)


def oracle_of(split: Split):
    policy = split.policy
    on_top = policy.staking_bonus is ON_TOP
    return expected(
        split.points, split.multipliers, pool=policy.pool, least=policy.floor, on_top=on_top
    )


def a_split(
    points: list[int],
    multipliers: list[int] | None = None,
    *,
    pool: int = POOL,
    floor: int = ONE_TOKEN,
    bonus: StakingBonus = WITHIN,
) -> Split:
    multipliers = multipliers or [MULTIPLIER_SCALE] * len(points)
    return Split(points, multipliers, Policy(BaseUnits(pool), BaseUnits(floor), bonus))


@given(splits())
@example(a_split([1], pool=0, floor=0))
@example(a_split([1, 1, 1], pool=100, floor=33))
@example(a_split([1, 10**12], pool=2, floor=1))
@example(a_split([1, 2, 10**12], [2_000_000, 1_000_000, 1_000_000], bonus=ON_TOP))
@example(a_split([1, 2**63 - 1, 2], [2_000_000] * 3))  # weights beyond 64 bits
@example(a_split([1, 2**63 - 1, 2], pool=2**70))  # an amount beyond 64 bits
def test_the_amounts_are_those_of_the_independent_oracle(split: Split) -> None:
    result, oracle = run(split), oracle_of(split)

    assert list(result.amounts) == oracle.amounts
    assert result.lifted == len(oracle.lifted)
    assert result.floor_waived == oracle.waived


@given(splits())
def test_within_the_pool_the_amounts_sum_to_the_pool(split: Split) -> None:
    within = Policy(split.policy.pool, split.policy.floor, WITHIN)

    result = allocate(split.points, split.multipliers, within)

    assert sum(result.amounts) == result.total == within.pool


@given(splits())
def test_on_top_the_total_is_the_lifted_floors_and_the_rounded_rest(split: Split) -> None:
    policy = Policy(split.policy.pool, split.policy.floor, ON_TOP)
    split = Split(split.points, split.multipliers, policy)
    oracle = oracle_of(split)

    result = run(split)

    rest = sum((s for i, s in enumerate(oracle.exact) if i not in oracle.lifted), Fraction(0))
    lifted = sum(floor(oracle.exact[i]) for i in oracle.lifted)
    assert sum(result.amounts) == result.total == lifted + floor(rest)


@given(splits())
def test_every_amount_is_within_one_base_unit_of_its_exact_share(split: Split) -> None:
    amounts, exact = run(split).amounts, oracle_of(split).exact

    assert all(abs(amount - share) < 1 for amount, share in zip(amounts, exact, strict=True))


@given(splits())
def test_nobody_is_below_the_floor_unless_it_is_waived(split: Split) -> None:
    result = run(split)

    assert result.floor_waived == (len(split.points) * split.policy.floor > split.policy.pool)
    assert result.floor_waived or min(result.amounts) >= split.policy.floor


@given(splits(users_min=2))
def test_who_has_no_less_of_anything_gets_no_less_than_a_base_unit_less(split: Split) -> None:
    result = run(split)

    users = list(zip(split.points, split.multipliers, result.amounts, strict=True))
    for points, multiplier, amount in users:
        for more_points, more_multiplier, other in users:
            if more_points >= points and more_multiplier >= multiplier:
                assert other >= amount - 1


@given(splits(users_min=2).filter(lambda s: s.policy.staking_bonus is WITHIN))
def test_within_the_pool_more_weight_never_gets_less_by_more_than_a_base_unit(split: Split) -> None:
    weights = [p * m for p, m in zip(split.points, split.multipliers, strict=True)]

    ordered = sorted(zip(weights, run(split).amounts, strict=True))

    amounts = [amount for _, amount in ordered]
    assert all(max(amounts[: i + 1]) - amounts[i] <= 1 for i in range(len(amounts)))


@given(splits(), st.randoms())
def test_the_order_of_users_moves_an_amount_by_one_base_unit_at_most(split: Split, random) -> None:
    order = list(range(len(split.points)))
    random.shuffle(order)

    shuffled = run(split.in_order(order)).amounts

    amounts = run(split).amounts
    assert all(abs(amounts[i] - moved) <= 1 for i, moved in zip(order, shuffled, strict=True))


def test_a_week_without_users_distributes_nothing() -> None:
    assert run(a_split([])) == Allocation([], BaseUnits(0), 0, floor_waived=False)


@pytest.mark.parametrize("bonus", StakingBonus)
def test_a_single_user_gets_the_whole_pool(bonus: StakingBonus) -> None:
    result = run(a_split([7], bonus=bonus))

    assert list(result.amounts) == [POOL]


def test_one_user_alone_gets_their_bonus_on_top_only() -> None:
    assert list(run(a_split([7], [1_300_000], bonus=WITHIN)).amounts) == [POOL]
    assert list(run(a_split([7], [1_300_000], bonus=ON_TOP)).amounts) == [POOL * 13 // 10]


def test_two_users_who_tie_share_an_odd_unit_by_their_order() -> None:
    assert list(run(a_split([5, 5], pool=101, floor=0)).amounts) == [50, 51]


def test_the_owners_example_pays_four_fifths_of_a_token_a_point() -> None:
    points = [100 + 8 * i for i in range(44)]
    points.append(12_500 - sum(points))

    result = run(a_split(points))

    assert len(points) == 45
    assert min(points) > 0
    assert list(result.amounts) == [p * ONE_TOKEN * 4 // 5 for p in points]
    assert result.total == POOL
    assert (result.lifted, result.floor_waived) == (0, False)


@pytest.mark.parametrize("bonus", StakingBonus)
def test_106_users_with_a_real_weeks_skew_match_the_oracle(bonus: StakingBonus) -> None:
    points = [10 + i**3 for i in range(106)]
    multipliers = [MULTIPLIER_SCALE + 100_000 * (i % 11) for i in range(106)]
    split = a_split(points, multipliers, bonus=bonus)
    oracle = oracle_of(split)

    result = run(split)

    assert oracle.lifted
    assert list(result.amounts) == oracle.amounts
    assert result.lifted == len(oracle.lifted)


@pytest.mark.parametrize("bonus", StakingBonus)
def test_100_000_users_of_whom_some_are_lifted_match_the_oracle(bonus: StakingBonus) -> None:
    count = 100_000
    points = [10 + (i * 7919) % 9973 for i in range(count)]
    multipliers = [MULTIPLIER_SCALE + 100_000 * (i % 3) for i in range(count)]
    split = a_split(points, multipliers, floor=ONE_TOKEN // 100, bonus=bonus)
    oracle = oracle_of(split)

    result = run(split)

    assert 0 < len(oracle.lifted) < count
    assert list(result.amounts) == oracle.amounts
    assert bonus is ON_TOP or result.total == POOL


@pytest.mark.parametrize("bonus", StakingBonus)
def test_a_user_costs_few_bytes_even_where_some_are_lifted(bonus: StakingBonus) -> None:
    count = 50_000
    points = array("Q", (10 + (i * 7919) % 9973 for i in range(count)))
    multipliers = array("Q", [MULTIPLIER_SCALE]) * count
    policy = Policy(POOL, BaseUnits(ONE_TOKEN // 100), bonus)
    tracemalloc.start()

    result = allocate(points, multipliers, policy)

    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < result.lifted < count
    assert kept < 12 * count
    assert peak < 64 * count


def test_a_floor_that_the_pool_just_covers_gives_everyone_the_same() -> None:
    result = run(a_split([1, 50, 10**9], pool=300, floor=100))

    assert list(result.amounts) == [100, 100, 100]
    assert (result.lifted, result.floor_waived) == (2, False)


def test_a_floor_that_the_pool_cannot_cover_is_waived_for_all() -> None:
    result = run(a_split([1, 99], pool=100, floor=51))

    assert list(result.amounts) == [1, 99]
    assert (result.lifted, result.floor_waived) == (0, True)


def test_lifting_one_user_can_pull_the_next_one_below_the_floor() -> None:
    """A share of 100 of 1,000 gives exactly the floor of 10, until another user is lifted."""
    result = run(a_split([1, 100, 899], pool=100, floor=10))

    assert list(result.amounts) == [10, 10, 80]
    assert result.lifted == 2


def test_under_on_top_the_floor_is_lifted_before_the_multiplier() -> None:
    result = run(a_split([1, 999], [2_000_000, 1_000_000], pool=100, floor=10, bonus=ON_TOP))

    assert list(result.amounts) == [20, 90]


@pytest.mark.parametrize(("pool", "floor"), [(-1, 0), (0, -1)])
def test_a_negative_pool_or_floor_cannot_be_built(pool: int, floor: int) -> None:
    with pytest.raises(
        UsageError, match=r"^weekly_pool and min_tokens_per_user cannot be negative\.$"
    ):
        Policy(BaseUnits(pool), BaseUnits(floor), WITHIN)


def test_points_and_multipliers_must_be_as_many() -> None:
    with pytest.raises((ValueError, IndexError)):
        allocate([1, 2], [MULTIPLIER_SCALE], Policy(POOL, ONE_TOKEN, WITHIN))


@pytest.mark.parametrize(
    ("text", "scaled"), [("1", 10**6), ("1.3", 1_300_000), ("2.000001", 2_000_001), ("1E1", 10**7)]
)
def test_a_multiplier_becomes_millionths(text: str, scaled: int) -> None:
    assert scaled_multiplier(Decimal(text)) == scaled


@pytest.mark.parametrize(
    "text", ["0.999999", "0", "-1", "1.0000001", "1." + "0" * 40 + "1", "NaN", "Infinity"]
)
def test_a_multiplier_below_one_or_too_fine_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not usable"):
        scaled_multiplier(Decimal(text))


@pytest.mark.parametrize("bonus", StakingBonus)
@pytest.mark.parametrize(
    ("points", "pool", "floor"),
    [
        ([100], POOL, ONE_TOKEN),
        ([1, 100, 899], POOL, ONE_TOKEN),
        ([1, 1, 10_000, 10_000], POOL, 20 * ONE_TOKEN),
        ([3, 7, 11], 1_000_003, 0),
        ([1, 2, 4], 700, 100),
    ],
)
def test_one_users_amount_is_that_of_the_split_to_a_base_unit(
    points: list[int], pool: int, floor: int, bonus: StakingBonus
) -> None:
    multipliers = [MULTIPLIER_SCALE, 1_300_000, 2_000_000, 1_000_000][: len(points)]
    policy = Policy(BaseUnits(pool), BaseUnits(floor), bonus)
    amounts = allocate(points, multipliers, policy).amounts
    lifting = lifting_of(points, multipliers, policy)

    found = [
        single_amount(*each, policy, lifting) for each in zip(points, multipliers, strict=True)
    ]

    assert all(isinstance(each, int) for each in found)
    assert all(abs(a - b) <= 1 for a, b in zip(found, amounts, strict=True))


def test_points_at_the_threshold_are_not_lifted() -> None:
    policy = Policy(BaseUnits(900), BaseUnits(100), WITHIN)
    lifting = Lifting(threshold=10, count=1, pool=800, shares_total=40)

    assert [single_amount(p, 1, policy, lifting) for p in (9, 10, 20, 80)] == [100, 200, 400, 800]


@pytest.mark.parametrize("multipliers", [[], [MULTIPLIER_SCALE], [MULTIPLIER_SCALE] * 3])
@pytest.mark.parametrize("bonus", StakingBonus)
def test_each_user_has_a_multiplier(multipliers: list[int], bonus: StakingBonus) -> None:
    with pytest.raises((ValueError, IndexError)):
        allocate([1, 2], multipliers, Policy(POOL, BaseUnits(0), bonus))


def test_a_wrong_sum_says_both_sums() -> None:
    assert "sum to 6 base units instead of 7" in str(AllocationDoesNotSum(7, 6))
