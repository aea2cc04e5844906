"""The contract of both stores about weeks that another system left undone, but paid in part."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.store_worlds import NOW, WEEK, StoreWorld, make_plan, make_rewards
from worker.core.lifecycle import Stage
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
    assert store.requeue(WEEK, NOW) == 0
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
    assert store.distributions() == [ours]
