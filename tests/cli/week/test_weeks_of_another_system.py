"""Weeks and rewards that another system wrote, as the commands show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from bson import ObjectId

from tests.cli.conftest import Command
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.week import Week
from worker.services.plan.genesis import DistributedBefore, make_genesis
from worker.services.plan.plan_week import DistributedElsewhere, dry_run, plan_week
from worker.services.week.due import find_work


def distribution(week: Week = WEEK, **fields: Any) -> Mapping[str, Any]:
    return {
        "_id": ObjectId(),
        "week_start": week.start,
        "week_end": week.end,
        "total_points": 12500,
        "total_tokens": 10000.0,
        "user_count": 45,
        "status": "completed",
        "completed_at": week.end,
        **fields,
    }


def reward(user_id: str, week: Week = WEEK, **fields: Any) -> Mapping[str, Any]:
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "week_start": week.start,
        "total_points": 540,
        "token_amount": 85.5,
        "staking_multiplier": 1.3,
        "transaction_signature": "3KqKCKXYrD8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
        "status": "completed",
        "claimed_at": week.end,
        **fields,
    }


@pytest.mark.parametrize("status", ["completed", "processing", "of another meaning"])
def test_a_genesis_begins_after_the_last_week_of_another_system(world: World, status: str) -> None:
    store_of(world.first).add_distribution(distribution(status=status))

    with pytest.raises(DistributedBefore, match=WEEK.next().label):
        make_genesis(world.first, WEEK)
    _, made = make_genesis(world.first, WEEK.next())
    assert made


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_week_that_was_not_distributed_is_planned(world: World, status: str) -> None:
    store_of(world.first).add_distribution(distribution(status=status, completed_at=None))
    world.genesis()
    world.populate(3)

    world.run()

    assert world.distribution().plan_id is not None


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_week_that_was_paid_in_part_is_not_planned_but_shown(
    world: World, kontrib: Command, status: str
) -> None:
    store = store_of(world.first)
    store.add_distribution(distribution(status=status, completed_at=None))
    store.add_historic_reward(reward(user_id_of("ada")))
    with pytest.raises(DistributedBefore, match="set-aside 2024-W50"):
        make_genesis(world.first, WEEK)
    store.state.historic_rewards.clear()
    world.genesis()
    world.populate(3)
    store.add_historic_reward(reward(user_id_of("ada")))

    world.run()

    assert world.distribution().plan_id is None
    assert find_work(world.first) == []
    for plan in (plan_week, dry_run):
        with pytest.raises(DistributedElsewhere, match="set-aside 2024-W50"):
            plan(world.first, WEEK)
    (first, *_) = kontrib.json("status")["weeks"]
    assert first["stopped"]
    assert first["distributed_by_another_system"]
    assert kontrib("run", WEEK.label) == 1
    assert "kontrib migrate set-aside 2024-W50" in kontrib.err


def test_rewards_of_another_system_without_a_distribution_stop_their_week(
    world: World, kontrib: Command
) -> None:
    store = store_of(world.first)
    store.add_historic_reward(reward(user_id_of("ada")))
    with pytest.raises(DistributedBefore, match=WEEK.next().label):
        make_genesis(world.first, WEEK)
    store.state.historic_rewards.clear()
    world.genesis()
    world.populate(3)
    store.add_historic_reward(reward(user_id_of("ada")))

    world.run()

    assert find_work(world.first) == []
    for plan in (plan_week, dry_run):
        with pytest.raises(DistributedElsewhere, match="There are only its rewards"):
            plan(world.first, WEEK)
    (first, *_) = kontrib.json("status")["weeks"]
    assert (first["stopped"], first["distributed_by_another_system"]) == (True, True)
    assert (first["contributors"], first["points"]) == (1, 540)
    assert kontrib("run", WEEK.label) == 1
    assert "kontrib migrate set-aside 2024-W50" in kontrib.err
    report = kontrib.json("report", WEEK.label)
    assert [each["amount_base_units"] for each in report["top"]] == [85_500_000_000]


def test_a_reward_that_is_paid_just_before_planning_stops_the_week(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(world.first)
    store.add_distribution(distribution(status="pending", completed_at=None))
    world.genesis()
    world.populate(3)

    def pay() -> None:
        store.add_historic_reward(reward(user_id_of("ada")))

    monkeypatch.setattr(world.first.chain, "check_mint", pay)

    with pytest.raises(DistributedElsewhere):
        plan_week(world.first, WEEK, at_once=True)
    assert store.state.rewards == {}


def test_a_week_of_another_system_stops_all_later_ones_visibly(
    world: World, kontrib: Command
) -> None:
    world.genesis()
    store_of(world.first).add_distribution(distribution())
    world.clock.sleep(7 * 86400)

    assert find_work(world.first) == []
    with pytest.raises(DistributedElsewhere):
        plan_week(world.first, WEEK)
    (first, *_) = kontrib.json("status")["weeks"]
    assert first["stopped"]
    assert first["distributed_by_another_system"]
    assert "kontrib migrate set-aside 2024-W50" in first["reason"]
    assert (first["contributors"], first["points"]) == (45, 12500)
    assert kontrib("run", WEEK.label) == 1
    assert "kontrib migrate set-aside 2024-W50" in kontrib.err
    assert find_work(world.first) == []


def test_status_and_report_show_the_figures_of_that_system(world: World, kontrib: Command) -> None:
    user = world.add_user("ada")
    store = store_of(world.first)
    store.add_distribution(distribution())
    store.add_historic_reward(reward(user))

    document = kontrib.json("status", WEEK.label)
    assert (document["contributors"], document["points"]) == (45, 12500)
    assert document["planned_base_units"] == 10_000 * 10**9
    assert kontrib("status", WEEK.label) == 0
    assert "another system" in kontrib.out
    assert "10,000" in kontrib.out
    report = kontrib.json("report", WEEK.label)
    assert (report["contributors"], report["ratio"]) == (45, "0.8")
    assert [each["amount_base_units"] for each in report["top"]] == [85_500_000_000]
    assert kontrib("report", WEEK.label, "--csv") == 0
    assert user_id_of("ada") in kontrib.out


def test_a_user_sees_rewards_of_another_system(world: World, kontrib: Command) -> None:
    user = world.add_user("ada")
    store_of(world.first).add_historic_reward(reward(user))

    (shown,) = kontrib.json("user", user)["rewards"]
    assert (shown["base_units"], shown["status"]) == (85_500_000_000, "completed")
    year = kontrib.json("report", "--year", "2024", "--user", user)
    assert year["total_base_units"] == 85_500_000_000


def test_a_paid_week_names_the_balances_that_its_recount_replaces(
    world: World, kontrib: Command
) -> None:
    world.populate(2)
    world.genesis()
    user = user_id_of("user 0")
    store_of(world.first).set_user_fields(ObjectId(user), staked_tokens=100.0)

    kontrib("run", WEEK.label, "--inline")

    assert f"user {user}: staked_tokens was 100, is now 0" in kontrib.err


@pytest.mark.parametrize("value", ["n/a", [5], True, {"a": 1}, -5])
def test_a_counter_that_cannot_be_read_stops_no_payment_and_is_named(
    world: World, kontrib: Command, value: object
) -> None:
    world.populate(2)
    world.genesis()
    user = user_id_of("user 0")
    store_of(world.first).set_user_fields(ObjectId(user), total_tokens_earned=value)

    assert kontrib("run", WEEK.label, "--inline") == 0

    named = f"user {user}, total_tokens_earned is {value!r}, which is no number or date"
    assert named in kontrib.err
    assert kontrib("recount") == 0
    assert named in kontrib.out
    (listed,) = kontrib.json("recount")["unreadable"]
    assert named in listed
    assert store_of(world.first).state.users[ObjectId(user)]["total_tokens_earned"] == value
    assert kontrib("check", "--offline") == 1
    assert f"user {user}, total_tokens_earned" in kontrib.out


def test_a_recount_names_the_balances_that_it_replaces(world: World, kontrib: Command) -> None:
    user = world.add_user("ada")
    store_of(world.first).set_user_fields(
        ObjectId(user), staked_tokens=100.0, governance_power=200.0, total_tokens_earned=250.75
    )

    changes = kontrib.json("recount")["changes"]

    assert [(c["field"], c["before_base_units"], c["after_base_units"]) for c in changes] == [
        ("staked_tokens", 100 * 10**9, 0),
        ("governance_power", 200 * 10**9, 250_750_000_000),
    ]
    assert kontrib.json("recount")["changes"] == []
    assert store_of(world.first).state.users[ObjectId(user)]["total_tokens_earned"] == 250.75
