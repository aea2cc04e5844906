"""The check names every difference, and finds no difference in a sound world."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.check.check_store import FakeCheckStore, FakeRetention, FakeViews
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.check.report import Area, CheckReport
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.services.check.everything import check_all, record_check
from worker.services.watch.retention import archive_old_weeks
from worker.services.week.status import board
from worker.services.wiki.dashboard import (
    contributions,
    dashboard,
    history,
    record_running_week,
)
from worker.services.wiki.recount import recount_all
from worker.services.wiki_context import UnknownUser, WikiContext


@pytest.fixture
def paid(world: World) -> World:
    """A week that is paid, closed and counted."""
    world.populate(5)
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    recount_all(wiki_of(world))
    return world


def wiki_of(world: World) -> WikiContext:
    return wiki_in_memory(store_of(world.first), world.clock)


def checked(world: World, *, offline: bool = False) -> CheckReport:
    context = None if offline else world.first
    return check_all(wiki_of(world), FakeCheckStore(store_of(world.first)), context)


def only(report: CheckReport) -> tuple[Area, str, str]:
    assert len(report.findings) == 1, report.findings
    found = report.findings[0]
    return found.area, found.subject, str(found)


def change(world: World, name: str, **fields: object) -> None:
    store_of(world.first).set_user_fields(ObjectId(user_id_of(name)), **fields)


def test_a_sound_week_has_no_difference(paid: World) -> None:
    report = checked(paid)

    assert report.findings == []
    assert report.looked_at["contributions"] == 5
    assert report.looked_at["weeks on chain"] == 1
    record_check(paid.first, report)
    assert paid.first.store.figures("check")["differences"] == 0


def test_points_that_their_factors_do_not_give(paid: World) -> None:
    store = store_of(paid.first)
    factors = {"base_points": 50, "quality_multiplier": 2.0}
    first = next(iter(store.state.contributions.values()))
    store.add_contribution(first | factors)  # the factors give exactly the stored 100 points
    assert checked(paid).is_clean
    store.add_contribution(first | factors | {"quality_multiplier": 2.5})

    area, subject, text = only(checked(paid))

    assert (area, subject) == (Area.POINTS, f"contribution {first['_id']}")
    assert "100 points, expected 125" in text


@pytest.mark.parametrize(
    "odd", [{"quality_multiplier": "good"}, {"base_points": -1}, {"base_points": [1]}]
)
def test_factors_that_are_no_numbers(paid: World, odd: dict[str, object]) -> None:
    store = store_of(paid.first)
    store.add_contribution(next(iter(store.state.contributions.values())) | odd)

    assert only(checked(paid))[0] is Area.POINTS


def test_what_was_edited_after_the_plan(paid: World) -> None:
    store = store_of(paid.first)
    first = next(iter(store.state.contributions.values()))
    store.add_contribution(first | {"total_points": 150})

    report = checked(paid)

    assert (Area.WEEKS, f"2024-W50, user {user_id_of('user 0')}") in {
        (d.area, d.subject) for d in report.findings
    }
    assert "150 points today, expected 100 as planned" in str(report.findings[0])


def test_what_came_without_an_object_id_after_the_plan(paid: World) -> None:
    paid.add_user("late")
    moment = WEEK.start + timedelta(days=1)
    store_of(paid.first).add_contribution(
        {"_id": "import 1", "user_id": user_id_of("late"), "type": "creation",
         "total_points": 40, "created_at": moment}
    )  # fmt: skip

    texts = [str(d) for d in checked(paid).findings if d.area is Area.WEEKS]

    assert texts == [
        f"weeks, 2024-W50, user {user_id_of('late')}: 40 points today (contributions that were "
        "recorded at an unknown time: import 1), expected no reward as planned"
    ]


def test_what_is_late_waits_and_what_is_too_late_is_listed(paid: World) -> None:
    soon = paid.clock.now() + timedelta(days=2)
    paid.record("user 1", 30, created_at=WEEK.start, recorded_at=soon)
    assert not [d for d in checked(paid).findings if d.area is Area.WEEKS]
    older = WEEK.start - timedelta(days=3)
    paid.record("user 1", 30, created_at=older, recorded_at=soon)

    texts = [str(d) for d in checked(paid).findings if d.area is Area.WEEKS]

    assert len(texts) == 1
    assert "counted by no plan: made 2024-12-06" in texts[0]


def test_a_reward_that_the_database_forgot_was_paid(paid: World) -> None:
    store = store_of(paid.first)
    plan_id = paid.distribution().plan_id or ""
    from dataclasses import replace

    from worker.core.lifecycle import Status

    stored = store.state.rewards[plan_id][0]
    reward = replace(stored.reward, status=Status.PENDING)
    store.state.rewards[plan_id][0] = replace(stored, reward=reward)

    assert Area.CHAIN in {d.area for d in checked(paid).findings}
    assert Area.CHAIN not in {d.area for d in checked(paid, offline=True).findings}


@pytest.mark.parametrize(
    ("field", "area"),
    [
        ("total_contributions", Area.COUNTS),
        ("total_points", Area.COUNTS),
        ("total_tokens_earned", Area.COUNTS),
        ("staked_tokens_base_units", Area.STAKES),
        ("governance_power", Area.POWER),
    ],
)
def test_a_counter_that_was_changed(paid: World, field: str, area: Area) -> None:
    change(paid, "user 2", **{field: 77})

    found_area, subject, _ = only(checked(paid))

    assert (found_area, subject) == (area, f"user {user_id_of('user 2')}, {field}")


def test_a_user_with_two_documents_is_named(paid: World) -> None:
    store = store_of(paid.first)
    user_id, upper = user_id_of("b"), user_id_of("b").upper()
    document = next(iter(store.state.users.values()))
    for form in (ObjectId(user_id), upper):
        store.add_user({**document, "_id": form})

    named = [d for d in checked(paid).findings if "2 documents" in d.found]

    assert [d.subject for d in named] == [f"user {user_id}"]
    assert repr(upper) in named[0].found


def test_stakes_that_are_forgotten_unreadable_or_nobodys(paid: World) -> None:
    store, now = store_of(paid.first), paid.clock.now()
    stake = {
        "user_id": user_id_of("ghost"), "amount": 1.0, "duration_days": 30, "apy_rate": 0.05,
        "multiplier": 1.1, "start_date": now - timedelta(days=40),
        "end_date": now - timedelta(days=10), "status": "active",
    }  # fmt: skip
    store.add_stake(stake)
    store.add_stake({"user_id": user_id_of("user 1"), "amount": "much"})

    texts = [str(d) for d in checked(paid).findings if d.area is Area.STAKES]

    assert any("not readable" in text for text in texts)
    assert any("active, though it ended" in text for text in texts)
    assert any("missing, expected there: they have stakes" in text for text in texts)


# --- retention ---------------------------------------------------------------------------------


def archive(world: World, days: int, *, dry_run: bool = False) -> list[str]:
    store = store_of(world.first)
    now = WEEK.end + timedelta(days=days)
    result = archive_old_weeks(store, FakeRetention(store), now, dry_run=dry_run)
    return [week.label for week in result.moved] + [
        f"{week.label}: {why}" for week, why in result.kept.items()
    ]


def test_a_week_is_archived_after_a_year_and_counts_as_done(paid: World) -> None:
    assert archive(paid, 364) == []
    assert archive(paid, 365, dry_run=True) == ["2024-W50"]
    assert not paid.distribution().archived

    assert archive(paid, 365) == ["2024-W50"]
    assert archive(paid, 365) == []
    assert paid.distribution().archived
    reported = board(store_of(paid.first), WEEK)
    assert (reported.contributors, reported.paid.amount) == (5, 10_000 * ONE_TOKEN)
    assert paid.run() == []
    assert checked(paid).is_clean


def test_a_week_with_an_unpaid_reward_stays(world: World) -> None:
    world.populate(3)
    world.add_user("no wallet", wallet=None)
    world.contribute("no wallet", 100)
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED

    (kept,) = archive(world, 400)

    assert kept.startswith("2024-W50: 1 reward of ")
    assert not world.distribution().archived


# --- the wiki's pages --------------------------------------------------------------------------


def test_a_dashboard_shows_this_week_and_what_was_paid(paid: World) -> None:
    wiki, views = wiki_of(paid), FakeViews(store_of(paid.first))
    running = WEEK.next()
    # It is an hour after the week's end, so the running week has begun.
    moment = running.start + timedelta(minutes=10)
    paid.record("user 1", 300, created_at=moment, recorded_at=moment)
    paid.record("user 2", 100, created_at=moment, recorded_at=moment)
    user = user_id_of("user 1")

    before = dashboard(wiki, views, user)
    record_running_week(wiki)
    found = dashboard(wiki, views, user)

    assert (before.estimate, before.week_points) == (None, 300)
    assert (found.week, found.week_points) == (running, 300)
    assert found.estimate == 7_500 * ONE_TOKEN
    assert found.user.earned == found.rewards[0].amount > 0
    assert found.rewards[0].signature
    assert history(views, user, None, 5) == found.rewards
    assert len(contributions(views, user, None, 5)) == 2


def test_nobody_is_not_shown(paid: World) -> None:
    views = FakeViews(store_of(paid.first))
    for ask in (
        lambda: dashboard(wiki_of(paid), views, "nobody"),
        lambda: contributions(views, "nobody", None, 5),
        lambda: history(views, "nobody", None, 5),
    ):
        with pytest.raises(UnknownUser):
            ask()
