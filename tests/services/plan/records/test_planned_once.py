"""A week is planned once: at its time, by one worker, and with a record of its anchor."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, store_of
from worker.core.payout.records import PayoutKind
from worker.core.plan.receipts import anchor_id
from worker.services.plan.plan_week import WeekNotOver, _install, dry_run, plan_week
from worker.services.plan.planned_week import NotPlanned, planned_distribution, planned_week


@pytest.mark.parametrize("early", [True, False])
def test_a_week_can_be_planned_from_the_end_of_its_grace_on(early: bool) -> None:
    world = World(now=WEEK.end)
    world.populate(2)
    world.genesis()
    grace = world.first.limits.plan_grace
    moment = WEEK.end + grace - timedelta(seconds=1 if early else 0)
    world.clock.sleep((moment - world.clock.now()).total_seconds())
    if early:
        with pytest.raises(WeekNotOver):
            plan_week(world.first, WEEK)
    else:
        assert world.clock.now() == WEEK.end + grace
        assert plan_week(world.first, WEEK).how == "made"


def test_a_plan_that_exists_is_found(world: World) -> None:
    world.populate(3)
    world.genesis()

    made, found = plan_week(world.first, WEEK), plan_week(world.first, WEEK)

    assert (made.how, found.how) == ("made", "found")
    assert (found.header, found.root) == (made.header, made.root)


def test_the_plan_of_a_faster_worker_is_found(world: World) -> None:
    world.populate(3)
    world.genesis()
    slow = dry_run(world.first, WEEK)
    world.contribute("user 0", 50)
    fast = plan_week(world.first, WEEK)

    found = _install(world.first, slow)

    assert (found.how, found.root) == ("found", fast.root)
    assert slow.header != fast.header == found.header
    assert world.distribution().root == fast.root


def test_a_plan_has_a_record_of_its_anchor_that_pays_nothing(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)

    payouts = store_of(world.first).state.payouts_of(world.distribution().plan_id or "")
    anchor = payouts[anchor_id(WEEK)]
    assert anchor.payout.kind is PayoutKind.ANCHOR
    assert (anchor.payout.index, anchor.payout.rewards, anchor.payout.amount) == (0, 0, 0)
    assert anchor.root == b""


def test_a_week_without_a_plan_says_whether_it_will_have_one(world: World) -> None:
    world.genesis()
    for read in (planned_week, planned_distribution):
        with pytest.raises(NotPlanned, match="2024-W50 is not planned yet") as later:
            read(world.first.store, WEEK)
        with pytest.raises(NotPlanned, match="2024-W50") as never:
            read(world.first.store, WEEK.previous())
        assert "2024-W49" not in str(later.value)
        assert "2024-W49" in str(never.value)
