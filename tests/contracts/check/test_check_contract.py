"""Reads of checks, retention and the wiki's pages, on both stores."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from tests.contracts.paid_weeks import pay_week, plan_week
from tests.contracts.store_worlds import NOW, WEEK, FakeStoreWorld, MongoStoreWorld
from tests.contracts.wiki.wiki_worlds import ADA, BOB, GUIDE, WikiWorld
from tests.fakes.check.check_store import FakeCheckStore, FakeRetention, FakeViews
from tests.fakes.documents import object_id
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.wiki.dashboard import MongoViews
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.ports.check import CheckStore, Cursor, RetentionStore, ViewStore


class Ports:
    """The three ports of a world's database."""

    def __init__(self, world: WikiWorld) -> None:
        self.check: CheckStore
        self.retention: RetentionStore
        self.views: ViewStore
        if isinstance(world.base, FakeStoreWorld):
            fake = world.base.fake
            self.check, self.retention = FakeCheckStore(fake), FakeRetention(fake)
            self.views = FakeViews(fake)
        else:
            assert isinstance(world.base, MongoStoreWorld)
            database = world.base.database
            self.check, self.retention = MongoCheckStore(database), MongoRetention(database)
            self.views = MongoViews(database)


@pytest.fixture
def ports(wiki_world: WikiWorld) -> Ports:
    return Ports(wiki_world)


def contribution(
    number: int, moment: datetime, *, recorded: datetime | None = None, **facts: Any
) -> dict[str, Any]:
    return {
        "_id": object_id(recorded or moment, number),
        "user_id": ADA,
        "article_id": GUIDE,
        "type": "creation",
        "total_points": 100,
        "created_at": moment,
        **facts,
    }


# --- checks ------------------------------------------------------------------------------------


def test_contributions_come_as_they_are_stored(wiki_world: WikiWorld, ports: Ports) -> None:
    odd = {"_id": "text", "user_id": 7, "type": None, "created_at": "yesterday"}
    wiki_world.base.add_contributions([contribution(1, NOW, base_points=100), odd])

    plain, strange = sorted(ports.check.all_contributions(), key=lambda c: c.created_at is None)

    assert (plain.user_id, plain.factors.base_points, plain.factors.quality) == (ADA, 100, None)
    assert plain.recorded_at == NOW
    assert (strange.id, strange.user_id, strange.created_at) == ("text", "", None)
    assert strange.recorded_at is None


@pytest.mark.parametrize("span", [timedelta(days=7), timedelta(days=4000)])
def test_what_was_recorded_since_a_moment(
    wiki_world: WikiWorld, ports: Ports, span: timedelta
) -> None:
    wiki_world.base.add_contributions(
        [
            contribution(1, WEEK.start),
            contribution(2, WEEK.start, recorded=NOW),
            contribution(3, WEEK.end, recorded=NOW),
            contribution(4, WEEK.start, _id="no ObjectId"),
        ]
    )

    found = ports.check.recorded_since(NOW, made_from=WEEK.end - span, made_before=WEEK.end)

    assert [c.id for c in found] == [str(object_id(NOW, 2))]


def test_counters_come_as_they_are_stored(wiki_world: WikiWorld, ports: Ports) -> None:
    wiki_world.base.add_user({"_id": ObjectId(BOB), "total_points": "odd"})

    assert ports.check.user_counters([BOB, "nobody"]) == {BOB: {"total_points": "odd"}}
    assert GUIDE in ports.check.article_counters([GUIDE])


def test_stakes_that_nobody_can_read_are_named(wiki_world: WikiWorld, ports: Ports) -> None:
    wiki_world.base.add_stake({"_id": "odd", "user_id": ADA, "amount": "much"})

    assert list(ports.check.unreadable_stakes()) == ["odd"]


def test_users_whose_ids_are_one_are_listed(wiki_world: WikiWorld, ports: Ports) -> None:
    other, mixed = "b" * 24, "Bb" * 12
    for form in (BOB, BOB.upper(), other, mixed, "Plain", "plain"):
        wiki_world.base.add_user({"_id": form})
    wiki_world.base.add_user({"_id": ObjectId(BOB)})

    assert dict(ports.check.same_users()) == {
        BOB: sorted(map(repr, {ObjectId(BOB), BOB, BOB.upper()})),
        other: sorted([repr(other), repr(mixed)]),
    }


# --- retention ---------------------------------------------------------------------------------


def test_a_completed_week_moves_and_is_still_found(wiki_world: WikiWorld, ports: Ports) -> None:
    store = wiki_world.wiki.store
    pay_week(store, {ADA: ONE_TOKEN})
    plan_id = store.distribution(WEEK).plan_id
    assert ports.retention.completed_before(WEEK.end) == []
    assert store.advance(WEEK, plan_id, Stage.PREPARED, Stage.COMPLETED)
    notes = store.notes(WEEK)

    assert ports.retention.completed_before(WEEK.end - timedelta(seconds=1)) == []
    assert ports.retention.completed_before(WEEK.end) == [WEEK]
    for _ in range(2):
        ports.retention.archive_week(WEEK)

    archived = store.distribution(WEEK)
    assert archived is not None
    assert (archived.archived, archived.stage, archived.plan_id) == (True, Stage.COMPLETED, plan_id)
    assert store.distributions() == []
    assert dict(store.notes(WEEK)) == {**notes, "archived": True}
    assert ports.retention.completed_before(WEEK.end) == []


def test_an_open_week_is_not_archived(wiki_world: WikiWorld, ports: Ports) -> None:
    store = wiki_world.wiki.store
    pay_week(store, {ADA: ONE_TOKEN})

    ports.retention.archive_week(WEEK)

    assert [d.archived for d in store.distributions()] == [False]


# --- the wiki's pages --------------------------------------------------------------------------


def test_pages_hold_every_contribution_once(wiki_world: WikiWorld, ports: Ports) -> None:
    """Contributions of one moment, with every stored form of the user's id."""
    documents = [
        contribution(n, NOW - timedelta(seconds=n // 4), user_id=form)
        for n, form in enumerate([ADA, ObjectId(ADA), ADA.upper()] * 7)
    ]
    wiki_world.base.add_contributions([*documents, contribution(99, NOW, user_id=BOB)])

    seen, after = [], None
    while page := ports.views.contributions_page(ADA, after, 4):
        seen += page
        after = Cursor(page[-1].created_at, page[-1].id)

    assert len(seen) == 21
    expected = sorted(documents, key=lambda d: (d["created_at"], d["_id"]), reverse=True)
    assert [c.id for c in seen] == [str(d["_id"]) for d in expected]
    assert (seen[0].article_id, seen[0].points, seen[0].type) == (GUIDE, 100, "creation")


def test_points_of_a_span_of_time(wiki_world: WikiWorld, ports: Ports) -> None:
    wiki_world.base.add_contributions(
        [
            contribution(1, WEEK.start),
            contribution(2, WEEK.end - timedelta(seconds=1), user_id=ObjectId(ADA)),
            contribution(3, WEEK.end),
            contribution(4, WEEK.start, user_id=BOB),
        ]
    )

    assert ports.views.points_between(ADA, WEEK.start, WEEK.end) == 200
    assert ports.views.points_between("nobody", WEEK.start, WEEK.end) == 0


def test_rewards_come_week_by_week_and_never_from_a_draft(
    wiki_world: WikiWorld, ports: Ports
) -> None:
    store = wiki_world.wiki.store
    older = WEEK.previous()
    pay_week(store, {ADA: 3 * ONE_TOKEN}, week=older)
    assert store.advance(older, f"plan of {older.id}", Stage.PREPARED, Stage.COMPLETED)
    ports.retention.archive_week(older)
    draft = plan_week(store, {ADA: ONE_TOKEN, BOB: ONE_TOKEN})
    store.write_rewards([_of_plan(reward, "draft") for reward in draft], WEEK, NOW)

    page = ports.views.rewards_page(ADA, None, 5)

    assert [(r.week, r.amount, r.status) for r in page] == [
        (WEEK, ONE_TOKEN, "pending"),
        (older, 3 * ONE_TOKEN, "completed"),
    ]
    assert page[1].signature is not None
    assert ports.views.rewards_page(ADA, WEEK, 5) == page[1:]
    assert ports.views.rewards_page(ADA, Week.parse("2020-W01"), 5) == []


def _of_plan(reward: Any, plan_id: str) -> Any:
    from dataclasses import replace

    return replace(reward, plan_id=plan_id)


def test_a_user_is_shown_with_odd_counters_too(wiki_world: WikiWorld, ports: Ports) -> None:
    wiki_world.base.add_user(
        {"_id": ObjectId(BOB), "wallet_address": 7, "total_points": "odd", "reputation_score": 1.2}
    )

    shown = ports.views.shown_user(BOB)

    assert shown is not None
    assert (shown.wallet, shown.points, shown.reputation) == (None, 0, 1.2)
    assert ports.views.shown_user("nobody") is None
