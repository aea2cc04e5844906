"""A week most of which cannot count waits for an operator. An empty week does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.documents import stake_document
from tests.fakes.store.store import FakeStore
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.lifecycle import Stage
from worker.core.plan.fates import ContributionsUnaccounted, Fates
from worker.services.context import Deadline
from worker.services.plan.anchor import anchor_week
from worker.services.plan.approval import MostLeftOut
from worker.services.plan.plan_week import dry_run, plan_again, plan_week
from worker.services.watch.notifications import find_events
from worker.services.week.unblock import approve_week


def stored_fates(world: World) -> Fates | None:
    return Fates.read(world.first.store.notes(WEEK)["notes"]["contributions"])


def test_the_notes_account_for_every_contribution(world: World) -> None:
    world.populate(3)
    world.contribute("user 0", 50)
    world.contribute("stranger", 40)
    world.contribute("user 1", -5)
    world.record("user 1", 30, created_at=WEEK.start, recorded_at=WEEK.end + timedelta(days=9))
    world.genesis()

    plan_week(world.first, WEEK)

    assert stored_fates(world) == Fates(
        seen=7,
        counted=4,
        late=0,
        excluded=1,
        malformed=1,
        after_cutoff=1,
        points=100 + 101 + 102 + 50,
        points_left_out=40,
    )
    assert len(world.first.store.notes(WEEK)["notes"]["after_cutoff"]) == 1


def test_the_notes_say_what_does_not_count_and_what_is_late(world: World) -> None:
    world.populate(3)
    world.genesis()
    plan_week(world.first, WEEK)
    anchor_week(world.first, WEEK, Deadline(world.clock, 600))
    for name, points in (("user 0", 20), ("user 1", 30)):
        now = world.clock.now()
        world.record(name, points, created_at=WEEK.end - timedelta(hours=1), recorded_at=now)
    following = WEEK.next()
    world.contribute("user 0", 1000, week=following)
    world.contribute("stranger", 40, week=following)
    malformed = world.record(
        "user 1", 10.5, created_at=following.start, recorded_at=following.start
    )
    for user, start in (("user 0", "no date"), ("user 1", "none")):
        stake = stake_document(user_id_of(user), WEEK.start, multiplier=start)
        store_of(world.first).add_stake(stake)
    world.clock.sleep(timedelta(days=7).total_seconds())

    plan_week(world.first, following)

    notes = world.first.store.notes(following)["notes"]
    assert notes["late_points"] == 50
    assert notes["malformed_count"] == 1
    assert [each["_id"] for each in notes["malformed"]] == [str(malformed)]
    assert notes["contributions"]["points_left_out"] == 40 + 10
    assert notes["unusable_stakes_count"] == len(notes["unusable_stakes"]) == 2
    assert (notes["lifted"], notes["floor_waived"]) == (0, False)


@pytest.mark.parametrize(
    ("least", "lifted", "waived"), [(0.0, 0, False), (2_000.0, 1, False), (4_000.0, 0, True)]
)
def test_the_notes_say_what_the_floor_did(
    world: World, least: float, lifted: int, waived: bool
) -> None:
    store_of(world.first).set_rules(min_tokens_per_user=least)
    world.populate(2, points=1000)
    world.add_user("small")
    world.contribute("small", 10)
    world.genesis()

    plan_week(world.first, WEEK)

    notes = world.first.store.notes(WEEK)["notes"]
    assert (notes["lifted"], notes["floor_waived"]) == (lifted, waived)


@pytest.mark.parametrize("lost", [-1, 1])
def test_a_contribution_that_gets_lost_stops_planning(
    world: World, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    world.populate(3)
    world.genesis()
    right = FakeStore.week_points

    def wrong(*arguments: object) -> object:
        found = right(*arguments)  # type: ignore[arg-type]
        return replace(found, seen=found.seen + lost)

    monkeypatch.setattr(FakeStore, "week_points", wrong)

    with pytest.raises(ContributionsUnaccounted, match=f"{3 + lost} seen, 3 counted"):
        plan_week(world.first, WEEK)

    assert world.distribution().stage is Stage.DUE


def rename_type(world: World) -> None:
    types = world.first.rules().points.base_points
    renamed = {f"{name}s": {"base_points": points} for name, points in types.items()}
    store_of(world.first).set_rules(contribution_types=renamed)


def mistype_rule(world: World) -> None:
    store_of(world.first).set_rules(eligibility=[{"field": "status", "in": ["actvie"]}])


def raise_minimum(world: World) -> None:
    store_of(world.first).set_rules(min_points=1000)


@pytest.mark.parametrize("mistake", [rename_type, mistype_rule, raise_minimum])
def test_a_week_that_loses_everything_waits_until_the_mistake_is_corrected(
    world: World, mistake: object
) -> None:
    names = world.populate(3)
    world.genesis()
    before = dict(store_of(world.first).rules_document() or {})
    mistake(world)  # type: ignore[operator]

    with pytest.raises(MostLeftOut, match=r"100\.0% of its contributions or points cannot count"):
        world.run()

    assert world.distribution().stage is Stage.PLANNED
    store_of(world.first).set_rules(**before)
    world.clock.sleep(600)
    plan_again(world.first, WEEK)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert all(world.balances(names).values())


def test_an_operator_may_approve_it(world: World) -> None:
    world.populate(3)
    world.genesis()
    mistype_rule(world)
    with pytest.raises(MostLeftOut):
        world.run()

    approve_week(world.first.store, WEEK, world.distribution().root)
    world.run()

    assert world.distribution().stage is Stage.COMPLETED
    plan_again(world.first, WEEK)  # an anchored plan stays
    assert world.distribution().stage is Stage.COMPLETED


@pytest.mark.parametrize(
    ("strangers", "points", "limit", "waits"),
    [
        (2, 100, 0.5, False),
        (3, 100, 0.5, True),
        (1, 300, 0.5, True),
        (1, 200, 0.5, False),
        (3, 100, 0.6, False),
        (1, 1, 0.0, True),
        (50, 300, 1, False),
    ],
)
def test_the_share_is_a_setting(
    world: World, strangers: int, points: int, limit: float, waits: bool
) -> None:
    for name in ("ada", "bob"):
        world.add_user(name)
        world.contribute(name, 100)
    for number in range(strangers):
        world.contribute(f"stranger {number}", points)
    store_of(world.first).set_rules(max_left_out=limit)
    world.genesis()

    if waits:
        with pytest.raises(MostLeftOut):
            world.run()
    else:
        world.run()
        assert world.distribution().stage is Stage.COMPLETED


def test_an_empty_week_closes(world: World) -> None:
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_people_hear_why_it_waits_once(world: World) -> None:
    world.populate(3)
    world.genesis()
    mistype_rule(world)
    with pytest.raises(MostLeftOut):
        world.run()

    events = find_events(
        world.first.store,
        world.clock.now(),
        grace=timedelta(hours=1),
        stuck_after=timedelta(days=1),
    )

    (event,) = [each for each in events if each.key.startswith(f"approval/{WEEK.id}/")]
    assert "max_left_out" in event.text
    assert "kontrib approve 2024-W50" in event.text


def test_a_dry_run_shows_the_numbers(world: World) -> None:
    world.populate(3)
    world.genesis()
    mistype_rule(world)

    notes = dry_run(world.first, WEEK).notes

    assert notes.contributions is not None
    assert (notes.contributions.seen, notes.contributions.excluded) == (3, 3)
