"""The contract of both stores about weeks that another system left undone, but paid in part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.store_worlds import NOW, WEEK, StoreWorld, make_plan, make_rewards
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.payout.records import PlanNotes
from worker.core.week import Week

UNDONE = pytest.mark.parametrize("status", ["pending", "failed"])


def add_distribution(world: StoreWorld, status: str, week: Week = WEEK) -> None:
    world.add_distribution(
        {
            "week_start": week.start,
            "week_end": week.end,
            "total_points": 12500,
            "total_tokens": 10000.0,
            "user_count": 45,
            "status": status,
        }
    )


def add_reward(world: StoreWorld, status: str, week: Week = WEEK, **fields: Any) -> None:
    world.add_historic_reward(
        {
            "user_id": "ada",
            "week_start": week.start,
            "total_points": 540,
            "token_amount": 85.5,
            "status": status,
            **fields,
        }
    )


@UNDONE
@pytest.mark.parametrize("reward", ["completed", "processing", "of another meaning"])
@pytest.mark.parametrize("plan", [{}, {"plan_id": None}])
def test_a_week_with_a_reward_that_may_be_paid_is_not_ours(
    store_world: StoreWorld, status: str, reward: str, plan: dict[str, Any]
) -> None:
    store = store_world.store
    store.record_first_week(WEEK)
    add_distribution(store_world, status)
    add_reward(store_world, "failed")
    add_reward(store_world, reward, **plan)

    found = store.distribution(WEEK)

    assert found is not None
    assert found.historic is not None
    assert found.historic.contributors == 45
    assert (found.stage, found.stopped, found.plan_id) == (Stage.DUE, True, None)
    assert "kontrib migrate set-aside 2024-W50" in (found.reason or "")
    assert store.distributions() == [found]
    assert store.ensure_distribution(WEEK, NOW) == found
    assert not store.install_plan(make_plan(make_rewards(2)), PlanNotes(), replacing=None, now=NOW)
    store.record_failure(WEEK, reason="x", next_attempt_at=NOW, attempts=1, stopped=False)
    assert store.requeue(WEEK) == 0
    assert store.distribution(WEEK) == found


@UNDONE
def test_a_week_with_unpaid_rewards_only_becomes_ours_for_good(
    store_world: StoreWorld, status: str
) -> None:
    store = store_world.store
    store.record_first_week(WEEK)
    add_distribution(store_world, status)
    add_reward(store_world, "failed")
    add_reward(store_world, "pending")
    add_reward(store_world, "completed", WEEK.previous())
    add_reward(store_world, "completed", WEEK.next())

    ours = store.ensure_distribution(WEEK, NOW)

    assert (ours.historic, ours.stage, ours.stopped) == (None, Stage.DUE, False)
    add_reward(store_world, "completed")
    assert store.distribution(WEEK) == ours
    assert [d for d in store.distributions() if d.week == WEEK] == [ours]


# --- weeks without a distribution ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("completed", "completed"),
        ("processing", "processing"),
        ("of another meaning", "processing"),
    ],
)
def test_a_week_of_which_only_rewards_are_there_is_stopped(
    store_world: StoreWorld, status: str, shown: str
) -> None:
    store = store_world.store
    store.record_first_week(WEEK)
    add_reward(store_world, "failed")
    add_reward(store_world, status)
    add_reward(store_world, status, user_id="bob")

    found = store.distribution(WEEK)

    assert found is not None
    assert (found.stage, found.stopped, found.plan_id) == (Stage.DUE, True, None)
    assert found.historic is not None
    assert found.historic.status == shown
    assert (found.historic.contributors, found.historic.points) == (2, 1080)
    assert found.historic.amount == 171 * ONE_TOKEN
    assert "kontrib migrate set-aside 2024-W50" in (found.reason or "")
    assert store.distributions() == [found]
    assert store.ensure_distribution(WEEK, NOW) == found
    assert not store.install_plan(make_plan(make_rewards(2)), PlanNotes(), replacing=None, now=NOW)
    store.record_failure(WEEK, reason="x", next_attempt_at=NOW, attempts=1, stopped=False)
    assert (store.requeue(WEEK), store.notes(WEEK)) == (0, {})
    assert store.distribution(WEEK) == found


def test_a_week_with_unpaid_rewards_alone_is_planned(store_world: StoreWorld) -> None:
    store = store_world.store
    store.record_first_week(WEEK)
    add_reward(store_world, "pending")
    add_reward(store_world, "failed")

    assert store.distributions() == []
    assert store.ensure_distribution(WEEK, NOW).historic is None


def test_rewards_of_another_system_change_no_week_that_is_ours(store_world: StoreWorld) -> None:
    store = store_world.store
    store.record_first_week(WEEK)
    ours = store.ensure_distribution(WEEK, NOW)

    add_reward(store_world, "completed")

    assert store.distribution(WEEK) == ours
    assert store.distributions() == [ours]


def test_every_week_of_rewards_alone_is_listed_from_the_first_week_on(
    store_world: StoreWorld,
) -> None:
    store = store_world.store
    add_distribution(store_world, "completed", WEEK.next())
    for week in (WEEK.back(2), WEEK, WEEK.next(), WEEK.next().next()):
        add_reward(store_world, "completed", week)
        add_reward(store_world, "completed", week, user_id="bob")

    before_a_genesis = store.distributions()
    assert [d.week for d in before_a_genesis] == [WEEK.next(), WEEK.next().next()]
    assert all(not d.stopped for d in before_a_genesis)

    store.record_first_week(WEEK)
    found = store.distributions()
    assert [d.week for d in found] == [WEEK, WEEK.next(), WEEK.next().next()]
    assert all(d.stopped for d in found)
