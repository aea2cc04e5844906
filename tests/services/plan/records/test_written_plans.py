"""A written plan: the amounts of its batches, the operators' marks, and what becomes obsolete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.money import BaseUnits
from worker.core.payout.records import PayoutKind, Reward
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row
from worker.services.context import Deadline
from worker.services.plan.adopt import adopt_anchored_plan
from worker.services.plan.anchor import anchor_week
from worker.services.plan.plan_week import _install, dry_run, plan_again, plan_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.publish import held_by_operators, held_in_batches


@pytest.fixture
def planned(world: World) -> World:
    """A plan of two batches, and of one held reward."""
    world.populate(4)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    plan_week(world.first, WEEK)
    return world


def rewards(world: World) -> list[Reward]:
    return world.first.store.rewards(world.distribution().plan_id or "", range(99))


def reward_of(world: World, name: str) -> Reward:
    found = world.first.store.reward(WEEK, user_id_of(name))
    assert found is not None
    return found


def plan_ids(world: World) -> list[str]:
    """The plans of which rewards are stored."""
    state = store_of(world.first).state
    return sorted(plan_id for plan_id, rows in state.rewards.items() if rows)


def test_a_batch_has_the_sum_of_its_rows(planned: World) -> None:
    sums: Counter[str] = Counter()
    for reward in rewards(planned):
        sums[reward.row.batch] += reward.row.amount
    held = sums.pop("")

    found = planned.first.store.payouts_after(planned.distribution().plan_id or "", "", 99)
    batches = {p.id: p.amount for p in found if p.kind is PayoutKind.BATCH}
    assert len(batches) == 2
    assert batches == sums
    planned_header = planned_week(planned.first.store, WEEK).header
    assert sum(batches.values()) + held == planned_header.total_amount


def test_a_plan_that_is_made_again_keeps_redirects_and_holds(planned: World) -> None:
    store = planned.first.store
    store.redirect(reward_of(planned, "ghost"), wallet_named("elsewhere"))
    store.hold(reward_of(planned, "ghost"), "a doubt")
    assert held_by_operators(store, WEEK) == {user_id_of("ghost")}

    plan_again(planned.first, WEEK)

    again = reward_of(planned, "ghost")
    assert (again.redirected_to, again.operator_hold) == (wallet_named("elsewhere"), "a doubt")
    assert reward_of(planned, "user 0").operator_hold is None


def test_a_redirect_alone_holds_nothing(planned: World) -> None:
    reward = reward_of(planned, "ghost")
    planned.first.store.redirect(reward, wallet_named("elsewhere"))
    assert held_by_operators(planned.first.store, WEEK) == set()


def test_only_holds_of_this_plan_on_batched_rewards_are_too_late(planned: World) -> None:
    store = planned.first.store
    store.hold(reward_of(planned, "ghost"), "held by the plan, too")
    assert held_in_batches(store, planned_week(store, WEEK)) == []
    store.hold(reward_of(planned, "user 0"), "a doubt")

    (found,) = held_in_batches(store, planned_week(store, WEEK))

    assert found.user_id == user_id_of("user 0")
    store.hold(reward_of(planned, "user 0"), None)
    store.hold(reward_of(planned, "user 1"), "a doubt")
    before = planned_week(store, WEEK)
    plan_again(planned.first, WEEK)
    assert held_in_batches(store, before) != []
    assert held_in_batches(store, planned_week(store, WEEK)) == []


def test_a_slower_draft_is_discarded(planned: World) -> None:
    fast = planned.distribution().plan_id
    slow = dry_run(planned.first, WEEK)

    assert _install(planned.first, slow).how == "found"
    assert plan_ids(planned) == [fast]


def test_an_anchored_plan_replaces_the_one_that_was_planned_here(world: World) -> None:
    rival = world.add_operator()
    world.populate(4)
    world.genesis()
    plan_week(world.first, WEEK)
    store_of(rival).set_user_fields(ObjectId(user_id_of("user 1")), wallet_address=None)
    anchored = plan_week(rival, WEEK)
    anchor_week(rival, WEEK, Deadline(world.clock, 600))
    assert world.distribution().root != anchored.root

    seal = adopt_anchored_plan(world.first, WEEK, WEEK)

    assert seal.root == anchored.root == world.distribution().root
    assert plan_ids(world) == [world.distribution().plan_id]


def test_a_plan_that_the_database_keeps_otherwise_is_never_installed(world: World) -> None:
    """The published file is right. A row in the database is not."""
    rival = world.add_operator()
    world.populate(4)
    world.genesis()
    plan_week(rival, WEEK)
    anchor_week(rival, WEEK, Deadline(world.clock, 600))
    store = store_of(world.first)

    def rows(plan_id: str, positions: range) -> Iterator[Row]:
        for row in FakeStore.rows(store, plan_id, positions):
            yield replace(row, amount=BaseUnits(row.amount + 1))

    store.rows = rows  # type: ignore[method-assign]

    with pytest.raises(PlanDoesNotMatchRoot, match="as written"):
        adopt_anchored_plan(world.first, WEEK, WEEK)

    assert world.distribution().plan_id is None
    assert plan_ids(world) == []
