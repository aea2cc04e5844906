"""`kontrib check` and `kontrib user`, in a world in memory."""

from __future__ import annotations

import pytest
from bson import ObjectId

from tests.cli.conftest import Command
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import World, store_of, user_id_of
from worker.services.wiki.recount import recount_all


@pytest.fixture
def paid(world: World, kontrib: Command) -> Command:
    """A closed and counted week."""
    world.populate(3)
    world.genesis()
    world.run()
    recount_all(wiki_in_memory(store_of(world.first), world.clock))
    return kontrib


def test_check_exits_1_and_lists_every_difference(paid: Command, world: World) -> None:
    assert paid.json("check")["clean"]
    assert paid.code == 0
    user = user_id_of("user 1")
    store_of(world.first).set_user_fields(ObjectId(user), total_points=7, governance_power=1.0)

    found = paid.json("check", "--offline")

    assert paid.code == 1
    assert [d["area"] for d in found["differences"]] == ["counts", "power"]
    assert found["differences"][0]["subject"] == f"user {user}, total_points"
    assert paid("check") == 1
    assert "2 differences (1 in power, 1 in counts)" in paid.err


def test_a_user_is_shown_with_rewards_and_pages(paid: Command) -> None:
    user = user_id_of("user 1")
    shown = paid.json("user", user)
    assert shown["rewards"][0]["status"] == "completed"
    assert shown["earned_base_units"] == shown["rewards"][0]["base_units"]
    assert paid("user", user) == 0
    assert shown["rewards"][0]["signature"] in paid.out

    page = paid.json("user", user.upper(), "--contributions", "--limit", "1")
    assert len(page["contributions"]) == 1
    rest = paid.json("user", user, "--contributions", "--after", page["next"])
    assert (rest["contributions"], rest["next"]) == ([], None)
    assert [r["week"] for r in paid.json("user", user, "--history")["rewards"]] == ["2024-W50"]


@pytest.mark.parametrize(
    "arguments", [("nobody",), ("nobody", "--history"), ("nobody", "--contributions")]
)
def test_an_unknown_user_is_named(paid: Command, arguments: tuple[str, ...]) -> None:
    assert paid("user", *arguments) == 2
    assert "There is no user 'nobody'" in paid.err


@pytest.mark.parametrize("arguments", [(), ("--history",), ("--contributions",)])
def test_an_id_that_is_not_utf_8_is_named(paid: Command, arguments: tuple[str, ...]) -> None:
    assert paid("user", "\udcff", *arguments) == 2
    assert r"The id '\udcff' is not UTF-8" in paid.err


def test_a_page_that_is_none_is_refused(paid: Command) -> None:
    assert paid("user", user_id_of("user 1"), "--contributions", "--after", "x") == 2
    assert paid("user", user_id_of("user 1"), "--history", "--after", "x") == 2
