"""The exact split of a pool of base units by integer weights.

amount_i = floor(P x C_i / D) - floor(P x C_(i-1) / D), where C_i is the sum of the first i weights.
One pass is enough, the sum is exact, and every amount is within one base unit of the exact share.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar, cast

from worker.core.errors import KontribError, UsageError
from worker.core.money import BaseUnits

MULTIPLIER_SCALE = 10**6
"""Staking multipliers are integers in millionths: 1.3 is 1,300,000."""

Number = TypeVar("Number", bound=int)


class StakingBonus(enum.StrEnum):
    """Where the tokens of a staking multiplier come from."""

    WITHIN_POOL = "within_pool"
    ON_TOP = "on_top"


class AllocationDoesNotSum(KontribError):
    """The amounts have a wrong sum. This is a bug, and no amount may be used."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"The amounts sum to {actual:,} base units instead of {expected:,}. Nothing was "
            "written; report this with the week's data."
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """How a week's pool is split."""

    pool: BaseUnits
    floor: BaseUnits
    staking_bonus: StakingBonus

    def __post_init__(self) -> None:
        if self.pool < 0 or self.floor < 0:
            raise UsageError("weekly_pool and min_tokens_per_user cannot be negative.")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Amounts in the order of the given weights, and the effect of the floor."""

    amounts: Sequence[BaseUnits]
    total: BaseUnits
    lifted: int
    floor_waived: bool


def scaled_multiplier(multiplier: Decimal) -> int:
    """A multiplier in millionths.

    Raises:
        UsageError: below 1, or finer than a millionth.
    """
    # A fraction, since decimal arithmetic would round beyond 28 digits.
    scaled = Fraction(multiplier) * MULTIPLIER_SCALE if multiplier.is_finite() else Fraction(0)
    if scaled.denominator != 1 or scaled < MULTIPLIER_SCALE:
        raise UsageError(
            f"A staking multiplier of {multiplier} is not usable: at least 1, at most 6 decimals."
        )
    return scaled.numerator


def allocate(points: Sequence[int], multipliers: Sequence[int], policy: Policy) -> Allocation:
    """Split the pool among users in canonical order.

    `points` are whole and positive, `multipliers` in millionths. Under WITHIN_POOL the shares are
    points x multiplier, and the amounts sum to the pool. Under ON_TOP the pool is shared by points,
    and each multiplier's bonus comes on top. A user whose share is below the floor gets the floor,
    and the others share the rest. If the pool cannot give everyone the floor, the floor is waived.

    Raises:
        AllocationDoesNotSum: the amounts have a wrong sum.
    """
    if not points:
        return Allocation([], BaseUnits(0), 0, floor_waived=False)
    within = policy.staking_bonus is StakingBonus.WITHIN_POOL
    shares, lifting, waived = _shares(points, multipliers, policy)
    bonus: Sequence[int] = () if within else multipliers
    amounts = _compact(_split(shares, bonus, policy.floor, lifting))
    total = sum(amounts)
    expected = policy.pool if within else _expected_on_top(shares, bonus, policy.floor, lifting)
    if total != expected:
        raise AllocationDoesNotSum(expected, total)
    return Allocation(amounts, BaseUnits(total), lifting.count, floor_waived=waived)


def lifting_of(points: Sequence[int], multipliers: Sequence[int], policy: Policy) -> Lifting:
    """How `allocate` splits the pool among these users, who must be some, without the amounts."""
    return _shares(points, multipliers, policy)[1]


def single_amount(points: int, multiplier: int, policy: Policy, lifting: Lifting) -> BaseUnits:
    """What a split gives to one user, to one base unit. The user's points may be newer than the
    split, so it is capped at the pool."""
    on_top = policy.staking_bonus is StakingBonus.ON_TOP
    share = points if on_top else points * multiplier
    bonus = multiplier if on_top else MULTIPLIER_SCALE
    if share < lifting.threshold:
        return BaseUnits(policy.floor * bonus // MULTIPLIER_SCALE)
    shares_total = max(lifting.shares_total, share)
    return BaseUnits(lifting.pool * share * bonus // (shares_total * MULTIPLIER_SCALE))


def _shares(
    points: Sequence[int], multipliers: Sequence[int], policy: Policy
) -> tuple[Sequence[int], Lifting, bool]:
    """Each user's share, how the pool is split by them, and whether the floor is waived."""
    within = policy.staking_bonus is StakingBonus.WITHIN_POOL
    pairs = zip(points, multipliers, strict=True)
    shares = _compact(p * m for p, m in pairs) if within else points
    waived = len(points) * policy.floor > policy.pool
    return shares, _lift(shares, policy.pool, 0 if waived else policy.floor), waived


@dataclass(frozen=True, slots=True)
class Lifting:
    """Shares below `threshold` are lifted; the others split `pool` by `shares_total`."""

    threshold: int
    count: int
    pool: int
    shares_total: int


def _lift(shares: Sequence[int], pool: int, floor: int) -> Lifting:
    """Find the users who are lifted to the floor.

    Each lifted user lowers the worth of every other share. So one pass from the smallest share
    finds the same users as repeated passes over all of them.
    """
    total, count = sum(shares), 0
    if floor == 0 or min(shares) * pool >= floor * total:
        return Lifting(0, 0, pool, total)
    ordered = sorted(shares)
    while ordered[count] * pool < floor * total:
        pool -= floor
        total -= ordered[count]
        count += 1
    # The largest share is never lifted: the pool can give everyone the floor, or the floor is 0.
    return Lifting(ordered[count], count, pool, total)


def _split(
    shares: Sequence[int], bonus: Sequence[int], floor: int, lifting: Lifting
) -> Iterator[BaseUnits]:
    scale = MULTIPLIER_SCALE if bonus else 1
    denominator = lifting.shares_total * scale
    cumulative = given = 0
    for i, share in enumerate(shares):
        factor = bonus[i] if bonus else 1
        if share < lifting.threshold:
            yield BaseUnits(floor * factor // scale)
            continue
        cumulative += share * factor
        reached = lifting.pool * cumulative // denominator
        yield BaseUnits(reached - given)
        given = reached


def _expected_on_top(
    points: Sequence[int], bonus: Sequence[int], floor: int, lifting: Lifting
) -> int:
    """The sum of the on-top policy, computed in another way to check the amounts."""
    weighted = lifted = 0
    for share, factor in zip(points, bonus, strict=True):
        if share < lifting.threshold:
            lifted += floor * factor // MULTIPLIER_SCALE
        else:
            weighted += share * factor
    denominator = lifting.shares_total * MULTIPLIER_SCALE
    return lifted + lifting.pool * weighted // denominator


def _compact(numbers: Iterable[Number]) -> Sequence[Number]:
    """The numbers in eight bytes each, a fifth of a list. A list if one exceeds 64 bits."""
    packed, rest = array("Q"), iter(numbers)
    for number in rest:
        try:
            packed.append(number)
        except OverflowError:
            return [*cast(Iterable[Number], packed), number, *rest]
    return cast(Sequence[Number], packed)  # an array knows plain integers only
