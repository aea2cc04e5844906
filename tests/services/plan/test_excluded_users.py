"""The users that a plan leaves out are counted, and the first of each reason are named."""

from __future__ import annotations

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.payout.records import ExcludedUser, UserPoints
from worker.services.plan.eligibility import LISTED_MAX, UNKNOWN_USER, Exclusions
from worker.services.plan.plan_week import dry_run

FEW = "below 10 points"


def user(name: str, points: int = 1, contributions: int = 1) -> UserPoints:
    return UserPoints(name, points, 0, contributions)


def test_users_points_and_contributions_are_summed_by_reason() -> None:
    excluded = Exclusions()
    for number in range(3):
        excluded.add(FEW, user(f"user {number}", points=4, contributions=2))
    excluded.add(UNKNOWN_USER, user("stranger", points=50))

    assert excluded.reasons == {FEW: 3, UNKNOWN_USER: 1}
    assert (excluded.points, excluded.contributions) == (62, 7)
    assert excluded.users(list)[0] == ExcludedUser("user 0", 4, FEW)


@pytest.mark.parametrize("order", [1, -1, 7])
def test_the_first_users_of_each_reason_are_named(order: int) -> None:
    names = [f"user {number:03}" for number in range(3 * LISTED_MAX)]
    mixed = sorted(names, key=lambda name: int(name[-3:]) * order % 61)
    excluded = Exclusions()
    for name in mixed:
        excluded.add(FEW, user(name))

    assert [each.user_id for each in excluded.users(list)] == names[:LISTED_MAX]


def test_a_name_just_before_the_last_one_takes_its_place() -> None:
    excluded = Exclusions()
    names = [f"user {number:03}" for number in range(0, 2 * LISTED_MAX, 2)]
    before_the_last = f"user {2 * LISTED_MAX - 3:03}"
    for name in (*names, before_the_last):
        excluded.add(FEW, user(name))

    assert [each.user_id for each in excluded.users(list)] == [*names[:-1], before_the_last]


def test_users_who_take_part_are_counted_with_their_late_contributions() -> None:
    excluded = Exclusions()
    for late in (0, 2):
        excluded.take(UserPoints("ada", 10, 5, contributions=3, late_contributions=late))
    assert (excluded.counted, excluded.late) == (4, 2)


def test_an_unknown_user_is_compared_with_the_known_ones(world: World) -> None:
    for name in ("ada", "Ada"):
        store_of(world.first).add_user({"_id": name})
    excluded = Exclusions()
    excluded.add(UNKNOWN_USER, user("ADA ", points=7))
    excluded.add(UNKNOWN_USER, user("bob"))
    excluded.add(FEW, user("ada\u200b"))

    found = excluded.users(world.first.store.user_ids)

    assert found == (
        ExcludedUser("ada\u200b", 1, FEW),
        ExcludedUser("ADA ", 7, UNKNOWN_USER, "ada", "it has a blank; it has other capitals"),
        ExcludedUser("bob", 1, UNKNOWN_USER),
    )


def test_known_ids_are_read_only_for_unknown_users() -> None:
    excluded = Exclusions()
    excluded.add(FEW, user("ada"))

    def never() -> list[str]:
        raise AssertionError("read for nothing")

    assert excluded.users(never) == (ExcludedUser("ada", 1, FEW),)


def test_the_notes_of_a_plan_have_them(world: World) -> None:
    world.populate(2)
    world.add_user("few")
    world.contribute("few", 9)
    world.contribute("stranger", 40)
    world.genesis()

    notes = dry_run(world.first, WEEK).notes

    assert notes.excluded == {FEW: 1, UNKNOWN_USER: 1}
    assert notes.excluded_points == 49
    assert sorted(each.reason for each in notes.excluded_users) == [FEW, UNKNOWN_USER]
