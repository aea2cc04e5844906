"""Reads of a report, on both stores."""

from __future__ import annotations

from datetime import timedelta

from bson import Int64, ObjectId

from tests.contracts.store_worlds import (
    NOW,
    RULES,
    WEEK,
    FakeStoreWorld,
    MongoStoreWorld,
    StoreWorld,
)
from tests.fakes.check.reporting import FakeReporting
from tests.fakes.documents import contribution_document
from worker.adapters.mongo.check.reporting import MongoReporting
from worker.core.plan.counted_contributions import PointsWindow
from worker.ports.report import ReportStore, TypeTally

MIDDLE = WEEK.start + timedelta(days=3)
BEFORE = WEEK.start - timedelta(days=2)
WINDOW = PointsWindow(WEEK, NOW, WEEK.start + timedelta(hours=1), WEEK.back(4).start)


def reporting(world: StoreWorld) -> ReportStore:
    if isinstance(world, FakeStoreWorld):
        return FakeReporting(world.fake)
    assert isinstance(world, MongoStoreWorld)
    return MongoReporting(world.database)


def test_what_counts_is_summed_by_type_late_contributions_included(
    store_world: StoreWorld,
) -> None:
    store_world.add_contributions(
        [
            contribution_document("a", MIDDLE, points=100),
            contribution_document("b", MIDDLE, points=Int64(50)),
            contribution_document("a", BEFORE, points=30.0, recorded_at=MIDDLE),
            contribution_document("a", MIDDLE, points=-1),
            contribution_document("", MIDDLE, points=7),
            contribution_document("a", WEEK.end, points=9),
        ]
    )
    assert reporting(store_world).points_by_type(WINDOW, RULES) == {"creation": TypeTally(3, 180)}


def test_nothing_paid_is_an_empty_year(store_world: StoreWorld) -> None:
    assert list(reporting(store_world).paid_between(WEEK.start, NOW, "a")) == []
    assert list(reporting(store_world).paid_between(WEEK.start, NOW)) == []


def test_names_are_texts_in_the_configured_field(store_world: StoreWorld) -> None:
    for user_id, fields in {
        "a": {"username": "Ada", "profile": {"name": "Ada L."}},
        ObjectId("507f1f77bcf86cd799439011"): {"username": "Grace"},
        "n": {"username": 7},
        "e": {"username": ""},
    }.items():
        store_world.add_user({"_id": user_id, **fields})
    ids = ["a", "507f1f77bcf86cd799439011", "n", "e", "nobody"]
    store = reporting(store_world)
    assert store.names(ids, "username") == {"a": "Ada", "507f1f77bcf86cd799439011": "Grace"}
    assert store.names(ids, "profile.name") == {"a": "Ada L."}
    assert store.names(ids, "missing.field") == {}
