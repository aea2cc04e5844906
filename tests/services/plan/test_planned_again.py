"""Plans that are computed a second time: after a loss, by a command, or without writing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from tests.core.strategies import a_header
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.plan.allocation import MULTIPLIER_SCALE
from worker.core.plan.commitment import Row
from worker.services.context import Context
from worker.services.payout.reconcile import reconcile
from worker.services.plan.adopt import AnchoredPlanMissing, rewards_of_rows
from worker.services.plan.plan_week import dry_run, plan_again, plan_week
from worker.services.plan.preview import preview
from worker.services.week.story import Job, Work

NEXT = WEEK.next()


def lose_everything(world: World) -> None:
    state = store_of(world.first).state
    for table in (state.weeks, state.rewards, state.payouts):
        table.clear()
    world.archive.files.clear()


def late_and_own(world: World) -> None:
    """The next week's points: one user's own, and another one's that are late."""
    world.record(
        "user 1", 70, created_at=WEEK.end - timedelta(days=1), recorded_at=world.clock.now()
    )
    world.contribute("user 0", 50, week=NEXT)
    due = NEXT.end + timedelta(hours=1) - world.clock.now()
    world.clock.sleep(due.total_seconds())


@pytest.fixture
def second(world: World) -> World:
    """The second week is anchored, with late points. The first one is closed."""
    world.populate(4)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 100)
    world.genesis()
    world.run()
    late_and_own(world)
    for job in (Job.PLAN, Job.ANCHOR):
        world.do(world.first, Work(job, NEXT))
    return world


def test_the_anchored_plan_is_made_again_from_the_same_data(second: World) -> None:
    before = second.distribution(NEXT)
    lose_everything(second)
    chain_of(second.first).transfers_per_transaction = 5  # endpoints accept more today

    found = plan_week(second.first, NEXT)

    after = second.distribution(NEXT)
    assert (found.how, found.root, after.header) == ("adopted", before.root, before.header)
    assert found.header.total_points == 120
    assert second.archive.location(NEXT, found.root) in second.archive.files
    rewards = second.first.store.rewards(after.plan_id or "", range(10))
    assert {each.plan_id for each in rewards} == {after.plan_id}
    assert sorted(each.late_points for each in rewards) == [0, 70]
    assert second.first.store.notes(NEXT)["notes"]["late_points"] == 70
    second.run()
    assert second.distribution(NEXT).stage is Stage.COMPLETED
    assert reconcile(second.first, second.distribution(NEXT)).is_exact


def test_the_first_week_is_made_again_without_a_week_before_it(world: World) -> None:
    world.populate(4)
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR):
        world.do(world.first, Work(job, WEEK))
    root = world.distribution().root
    lose_everything(world)
    world.first.store.ensure_distribution(WEEK, world.clock.now())

    assert plan_week(world.first, WEEK).root == root


def test_other_data_names_the_missing_file_and_installs_nothing(second: World) -> None:
    root = second.distribution(NEXT).root or b""
    lose_everything(second)
    second.contribute("user 2", 10, week=NEXT)

    with pytest.raises(AnchoredPlanMissing) as caught:
        plan_week(second.first, NEXT)

    assert str(caught.value).startswith(
        f"2024-W51 is anchored with the plan {root.hex()}. The plan is not at "
        f"{second.archive.location(NEXT, root)}, and our data gives another one."
    )
    assert second.distribution(NEXT).plan_id is None
    assert second.archive.files == {}


@pytest.mark.parametrize("act", [plan_again, dry_run])
def test_a_command_plans_during_the_grace(act) -> None:
    world = World(now=WEEK.end + timedelta(minutes=1))
    world.populate(3)
    world.genesis()

    assert act(world.first, WEEK).header.rewards == 3


def test_a_dry_run_follows_the_week_before_it(second: World) -> None:
    root = second.distribution(WEEK).root
    for week in (WEEK, NEXT):
        store_of(second.first).state.weeks.pop(week)
    draft = dry_run(second.first, NEXT)
    assert (draft.header.previous_root, draft.header.total_points) == (root, 120)


def test_a_dry_run_of_a_week_whose_predecessor_is_open_has_none(world: World) -> None:
    world.populate(2)
    world.genesis()
    late_and_own(world)
    draft = dry_run(world.first, NEXT)
    assert (draft.header.previous_root, draft.header.total_points) == (b"", 50)


def test_a_preview_has_the_week_and_its_notes(world: World) -> None:
    world.populate(2)
    world.contribute("stranger", 40)
    world.genesis()
    found = preview(world.first, dry_run(world.first, WEEK))
    assert (found.week, found.notes.excluded) == (WEEK, {"unknown user": 1})
    assert found.funds.needed.tokens == 10_000 * ONE_TOKEN


def test_an_adopted_file_gives_the_rewards_that_its_rows_say() -> None:
    world = World(batch_size=2)
    world.populate(3)
    world.add_user("new", account=False)
    world.add_user("ghost", wallet=None)
    for name in ("new", "ghost"):
        world.contribute(name, 100)
    store_of(world.first).set_rules(weekly_pool=0.000000002)  # too little for the floor
    stake = {"user_id": ObjectId(user_id_of("new")), "amount": 5.0, "multiplier": 1.5}
    dates = {"start_date": WEEK.start, "end_date": WEEK.end, "status": "active"}
    store_of(world.first).add_stake(stake | dates)
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    world.genesis()
    for job in (Job.PLAN, Job.ANCHOR):
        world.do(world.first, Work(job, WEEK))

    assert plan_week(rival, WEEK).how == "adopted"

    def facts(context: Context) -> list[tuple[object, ...]]:
        rewards = context.store.rewards(world.distribution(context=context).plan_id or "", range(9))
        return [(r.user_id, r.row, r.multiplier, r.late_points, r.needs_account) for r in rewards]

    assert facts(rival) == facts(world.first)
    assert [each[2] for each in facts(rival)].count(1_500_000) == 1
    assert [each[4] for each in facts(rival)].count(True) == 1
    assert all(isinstance(each[2], int) and each[4] in (True, False) for each in facts(rival))
    assert rival.store.notes(WEEK)["notes"]["floor_waived"] is True


def test_a_row_without_points_has_the_plain_multiplier(world: World) -> None:
    row = Row(b"\1" * 32, "", points=0, weight=0, amount=BaseUnits(0), batch="")
    (reward,) = rewards_of_rows(world.first, a_header(week=WEEK), iter([row]), "plan")
    assert (reward.multiplier, reward.needs_account) == (MULTIPLIER_SCALE, False)
