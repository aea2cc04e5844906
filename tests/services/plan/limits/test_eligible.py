"""The limits of taking part, and the counts of those who do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.core.strategies import A_WEEK
from tests.fakes.world import World, store_of
from worker.core.money import BaseUnits
from worker.core.payout.records import ExcludedUser, Stake, UserPoints
from worker.core.week import Week
from worker.services.plan.eligibility import (
    LISTED_MAX,
    UNKNOWN_USER,
    Exclusions,
    below_minimum,
    participants,
    staking_multipliers,
)

START, END = A_WEEK.start, A_WEEK.end


def test_contributions_are_counted_by_their_fate() -> None:
    excluded = Exclusions()
    excluded.take(UserPoints("a", 10, 4, contributions=5, late_contributions=2))
    excluded.take(UserPoints("b", 10, 0, contributions=7, late_contributions=1))
    excluded.add("few", UserPoints("c", 3, 0, contributions=4))
    excluded.add("few", UserPoints("d", 2, 0, contributions=6))

    assert (excluded.counted, excluded.late) == (9, 3)
    assert (excluded.points, excluded.contributions) == (5, 10)
    assert excluded.reasons == {"few": 2}


def test_the_first_users_of_each_reason_are_listed_by_id() -> None:
    excluded = Exclusions()
    for number in reversed(range(LISTED_MAX + 5)):
        excluded.add("few", UserPoints(f"{number:03}", number, 0))
    excluded.add("few", UserPoints("999", 1, 0))

    listed = excluded.users(list)

    assert [each.user_id for each in listed] == [f"{number:03}" for number in range(LISTED_MAX)]
    assert listed[7] == ExcludedUser("007", 7, "few")


def test_an_unknown_user_is_compared_with_known_ids_that_look_alike() -> None:
    excluded = Exclusions()
    excluded.add("few", UserPoints("BOB", 1, 0))
    excluded.add(UNKNOWN_USER, UserPoints("ADA", 1, 0))

    few, unknown = excluded.users(lambda: ["bob", "ada", "Ada"])

    assert (few.user_id, few.looks_like) == ("BOB", "")
    assert (unknown.user_id, unknown.looks_like) == ("ADA", "ada")
    assert unknown.difference


def test_the_minimum_of_points_is_enough(world: World) -> None:
    world.populate(3)
    rules = replace(world.first.rules(), min_points=10)
    (user_id, *_) = sorted(world.first.store.user_ids())
    users = [UserPoints(user_id, points, 0) for points in (9, 10, 11)]
    excluded = Exclusions()

    ((qualified, accounts, multipliers),) = participants(
        world.first.store, A_WEEK, users, rules, excluded
    )

    assert [user.points for user in qualified] == [10, 11]
    assert (set(accounts), multipliers) == ({user_id}, {})
    assert excluded.reasons == {below_minimum(rules): 1}


@pytest.mark.parametrize("order", [1, -1])
def test_the_highest_multiplier_of_sufficient_stakes_counts(world: World, order: int) -> None:
    def stake(amount: int, multiplier: str, user: str = "ada") -> Stake:
        return Stake(user, BaseUnits(amount), Decimal(multiplier), START, END)

    stakes = [stake(100, "1.3"), stake(99, "2.0"), stake(200, "1.1"), stake(100, "1.6", "bob")]

    def covering(week: Week, user_ids: Sequence[str]) -> list[Stake]:
        return stakes[::order]

    store_of(world.first).stakes_covering = covering  # type: ignore[method-assign]
    rules = replace(world.first.rules(), min_stake=BaseUnits(100))

    found = staking_multipliers(world.first.store, A_WEEK, ["ada", "bob"], rules)

    assert found == {"ada": 1_300_000, "bob": 1_600_000}
