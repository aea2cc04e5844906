"""The contract of both stores about the wiki's data.

The fake decides with `core.plan.points.defect`, and the real store with an aggregation. Hypothesis
gives both the same odd documents.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.contracts.store_worlds import (
    NOW,
    RULES,
    WEEK,
    FakeStoreWorld,
    MongoStoreWorld,
    StoreWorld,
)
from tests.fakes.documents import (
    contribution_document,
    object_id,
    stake_document,
    user_document,
)
from worker.adapters.mongo.connection import Mongo
from worker.core.payout.records import MalformedContribution, UserPoints
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.week import Week

USER = "507f1f77bcf86cd799439011"
MIXED_CASE = "507F1f77bcf86cd799439011"
CUTOFF = NOW
PREVIOUS_CUTOFF = WEEK.start + timedelta(hours=1)
WINDOW = PointsWindow(WEEK, CUTOFF, PREVIOUS_CUTOFF, WEEK.back(4).start)
FIRST_WINDOW = PointsWindow(WEEK, CUTOFF, None, WEEK.start)
DELAYED_WINDOW = PointsWindow(
    WEEK, WEEK.end + timedelta(weeks=3), WEEK.end + timedelta(days=1), WEEK.back(4).start
)
"""Of a plan that was made some weeks later."""
RANDOM_FROM = WEEK.end + timedelta(weeks=4)
"""From here on, an ObjectId says nothing about the recording of the week's own contributions."""
MIDDLE = WEEK.start + timedelta(days=3)


def points(world: StoreWorld, window: PointsWindow = WINDOW) -> list[UserPoints]:
    return sorted(world.store.week_points(window, RULES).users, key=lambda user: user.user_id)


def malformed(
    world: StoreWorld, limit: int, window: PointsWindow = WINDOW
) -> tuple[int, list[MalformedContribution]]:
    found = world.store.week_points(window, RULES, limit)
    return found.malformed_count, list(found.malformed)


# --- points ------------------------------------------------------------------------------------


def test_points_are_summed_by_user(store_world: StoreWorld) -> None:
    store_world.add_contributions(
        [
            contribution_document(USER, MIDDLE, points=100),
            contribution_document(USER, MIDDLE, points=Int64(50)),
            contribution_document(USER, MIDDLE, points=540.0),
            contribution_document("somebody", MIDDLE, points=7),
        ]
    )

    assert points(store_world) == [UserPoints(USER, 690, 0), UserPoints("somebody", 7, 0)]


def test_nobody_contributed(store_world: StoreWorld) -> None:
    assert points(store_world) == []
    assert malformed(store_world, 10) == (0, [])


def test_every_form_of_an_id_is_one_user(store_world: StoreWorld) -> None:
    for form in (USER, USER.upper(), ObjectId(USER), "507F1f77bcf86cd799439011"):
        store_world.add_contributions([contribution_document(form, MIDDLE, points=10)])
    store_world.add_contributions([contribution_document("Somebody", MIDDLE, points=1)])
    store_world.add_contributions([contribution_document("somebody", MIDDLE, points=2)])

    assert points(store_world) == [
        UserPoints(USER, 40, 0),
        UserPoints("Somebody", 1, 0),
        UserPoints("somebody", 2, 0),
    ]


@pytest.mark.parametrize(
    ("created_at", "counted"),
    [
        (WEEK.start - timedelta(milliseconds=1), False),
        (WEEK.start, True),
        (WEEK.end - timedelta(milliseconds=1), True),
        (WEEK.end, False),
    ],
)
def test_a_week_is_half_open(store_world: StoreWorld, created_at: datetime, counted: bool) -> None:
    document = contribution_document(USER, created_at, recorded_at=MIDDLE)
    store_world.add_contributions([document])

    assert bool(points(store_world, FIRST_WINDOW)) is counted


@pytest.mark.parametrize(
    ("recorded_at", "counted"),
    [(CUTOFF - timedelta(seconds=1), True), (CUTOFF, False)],
)
def test_what_is_recorded_from_the_cutoff_on_is_left_to_a_later_week(
    store_world: StoreWorld, recorded_at: datetime, counted: bool
) -> None:
    store_world.add_contributions([contribution_document(USER, MIDDLE, recorded_at=recorded_at)])

    assert bool(points(store_world)) is counted


def test_without_an_object_id_the_date_alone_decides(store_world: StoreWorld) -> None:
    for number, document_id in enumerate(["text", 42, "f" * 24]):
        document = contribution_document(USER, MIDDLE, points=number + 1, document_id=document_id)
        store_world.add_contributions([document])
    old = contribution_document(USER, WEEK.start - timedelta(days=1), document_id="old")
    store_world.add_contributions([old])

    assert points(store_world) == [UserPoints(USER, 6, 0)]


@pytest.mark.parametrize(
    ("created_at", "recorded_at", "counted"),
    [
        (WEEK.start - timedelta(milliseconds=1), PREVIOUS_CUTOFF, True),
        (WEEK.start - timedelta(days=1), PREVIOUS_CUTOFF - timedelta(seconds=1), False),
        (WEEK.start - timedelta(days=1), CUTOFF - timedelta(seconds=1), True),
        (WEEK.start - timedelta(days=1), CUTOFF, False),
        (WEEK.back(4).start, MIDDLE, True),
        (WEEK.back(4).start - timedelta(milliseconds=1), MIDDLE, False),
    ],
)
def test_late_points_count_by_the_time_of_recording(
    store_world: StoreWorld, created_at: datetime, recorded_at: datetime, counted: bool
) -> None:
    document = contribution_document(USER, created_at, points=5, recorded_at=recorded_at)
    store_world.add_contributions([document])

    assert points(store_world) == ([UserPoints(USER, 5, 5)] if counted else [])


def test_own_and_late_points_are_added_up_and_told_apart(store_world: StoreWorld) -> None:
    late = WEEK.start - timedelta(days=2)
    store_world.add_contributions(
        [
            contribution_document(USER, MIDDLE, points=10),
            contribution_document(ObjectId(USER), late, points=3, recorded_at=MIDDLE),
            contribution_document("late only", late, points=4, recorded_at=MIDDLE),
        ]
    )

    assert points(store_world) == [UserPoints(USER, 13, 3), UserPoints("late only", 4, 4)]


def test_the_first_plan_has_no_late_points(store_world: StoreWorld) -> None:
    late = contribution_document(USER, WEEK.start - timedelta(days=2), recorded_at=MIDDLE)
    store_world.add_contributions([late])

    assert points(store_world, FIRST_WINDOW) == []


# --- ObjectIds whose time means nothing --------------------------------------------------------

RANDOM = [RANDOM_FROM, datetime(2061, 7, 1, tzinfo=UTC), datetime(2106, 2, 7, tzinfo=UTC)]


@pytest.mark.parametrize("recorded_at", [*RANDOM, datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_contribution_with_a_random_id_counts_by_its_date(
    store_world: StoreWorld, recorded_at: datetime
) -> None:
    store_world.add_contributions([contribution_document(USER, MIDDLE, recorded_at=recorded_at)])

    for window in (WINDOW, FIRST_WINDOW, DELAYED_WINDOW):
        assert points(store_world, window) == [UserPoints(USER, 100, 0)]


def test_a_random_id_may_look_like_a_late_recording(store_world: StoreWorld) -> None:
    recorded_at = RANDOM_FROM - timedelta(seconds=1)
    store_world.add_contributions([contribution_document(USER, MIDDLE, recorded_at=recorded_at)])
    fourth = Week.containing(recorded_at)
    cutoffs = [fourth.start + timedelta(hours=1), fourth.end + timedelta(hours=1)]

    assert points(store_world) == []
    assert store_world.store.week_points(WINDOW, RULES).after_cutoff == 1
    later = PointsWindow(fourth, cutoffs[1], cutoffs[0], WEEK.start)
    assert points(store_world, later) == [UserPoints(USER, 100, 100)]


@pytest.mark.parametrize("weeks_ago", [1, 2, 4])
def test_a_random_id_is_never_late(store_world: StoreWorld, weeks_ago: int) -> None:
    """Its time is between the cut-offs of a plan that was made long after its week."""
    made = WEEK.back(weeks_ago).start + timedelta(days=1)
    unknown = Week.containing(made).end + timedelta(weeks=4)
    store_world.add_contributions(
        [
            contribution_document("random", made, recorded_at=unknown),
            contribution_document("late", made, recorded_at=unknown - timedelta(seconds=1)),
        ]
    )
    window = PointsWindow(
        WEEK, WEEK.end + timedelta(weeks=9), WEEK.start + timedelta(hours=1), WEEK.back(4).start
    )

    assert points(store_world, window) == [UserPoints("late", 100, 100)]


def test_twenty_contributions_with_random_ids_all_count(store_world: StoreWorld) -> None:
    """Some web frameworks make ids of random bytes."""
    dice = random.Random(6)
    store_world.add_contributions(
        [
            contribution_document(USER, MIDDLE, points=10, document_id=ObjectId(dice.randbytes(12)))
            for _ in range(20)
        ]
    )

    assert points(store_world) == [UserPoints(USER, 200, 0)]


# --- malformed contributions -------------------------------------------------------------------

BAD: list[tuple[str, dict[str, Any]]] = [
    ("no user", {"user_id": None}),
    ("no user", {"user_id": ""}),
    ("no user", {"user_id": 42}),
    ("no user", {"user_id": [USER]}),
    ("unknown type", {"kind": "vandalism"}),
    ("unknown type", {"kind": None}),
    ("unknown type", {"kind": ["creation"]}),
    ("points are not a number", {"points": "100"}),
    ("points are not a number", {"points": True}),
    ("points are not a number", {"points": None}),
    ("points are not a number", {"points": [100]}),
    ("points are not a number", {"points": Decimal128(Decimal(100))}),
    ("points are not a whole number", {"points": 99.5}),
    ("points are not a whole number", {"points": float("nan")}),
    ("points are not a whole number", {"points": float("inf")}),
    ("points are negative", {"points": -1}),
    ("points are beyond the highest possible", {"points": 1126}),
    ("points are beyond the highest possible", {"points": 2**62}),
    ("created_at is not a date", {"created_at": "2024-12-12"}),
    ("created_at is not a date", {"created_at": [MIDDLE]}),
    ("created_at is not a date", {"created_at": None}),
]


@pytest.mark.parametrize(("reason", "facts"), BAD)
def test_bad_data_hurts_only_itself(
    store_world: StoreWorld, reason: str, facts: dict[str, Any]
) -> None:
    bad_id = object_id(MIDDLE, 2**40)  # its number is far above the other ids
    made: dict[str, Any] = {"user_id": USER, "created_at": MIDDLE, "document_id": bad_id} | facts
    store_world.add_contributions([contribution_document(**made)])
    store_world.add_contributions([contribution_document(USER, MIDDLE, points=10)])

    assert points(store_world) == [UserPoints(USER, 10, 0)]
    count, listed = malformed(store_world, 10)
    assert (count, [(each.id, each.reason) for each in listed]) == (1, [(str(bad_id), reason)])


@pytest.mark.parametrize("field", ["user_id", "type", "total_points", "created_at"])
def test_a_missing_field_is_malformed(store_world: StoreWorld, field: str) -> None:
    document = contribution_document(USER, MIDDLE)
    del document[field]
    store_world.add_contributions([document])

    assert points(store_world) == []
    assert malformed(store_world, 10)[0] == 1


def test_the_highest_possible_points_count(store_world: StoreWorld) -> None:
    store_world.add_contributions([contribution_document(USER, MIDDLE, points=1125)])

    assert points(store_world) == [UserPoints(USER, 1125, 0)]


@pytest.mark.parametrize(
    ("document_id", "listed"),
    [
        (object_id(PREVIOUS_CUTOFF, 1), True),
        (object_id(PREVIOUS_CUTOFF - timedelta(seconds=1), 1), False),
        (object_id(CUTOFF - timedelta(seconds=1), 1), True),
        (object_id(CUTOFF, 1), False),
        ("no time at all", True),
    ],
)
def test_what_has_no_date_is_listed_by_the_plan_that_follows_its_recording(
    store_world: StoreWorld, document_id: object, listed: bool
) -> None:
    document = contribution_document(USER, "not a date", document_id=document_id)
    store_world.add_contributions([document])

    assert malformed(store_world, 10)[0] == int(listed)


def test_with_a_limit_of_zero_malformed_contributions_are_only_counted(
    store_world: StoreWorld,
) -> None:
    store_world.add_contributions([contribution_document(USER, MIDDLE, points=-1)])

    assert malformed(store_world, 0) == (1, [])


def test_all_are_counted_and_the_first_are_listed(store_world: StoreWorld) -> None:
    late = WEEK.start - timedelta(days=1)
    store_world.add_contributions(
        [contribution_document(USER, MIDDLE, points=-1) for _ in range(5)]
        + [contribution_document(USER, late, points=-1, recorded_at=MIDDLE) for _ in range(2)]
        + [contribution_document(USER, None, recorded_at=MIDDLE) for _ in range(2)]
    )

    count, listed = malformed(store_world, 3)
    assert (count, len(listed)) == (9, 3)


def test_every_contribution_that_was_seen_is_in_one_count(store_world: StoreWorld) -> None:
    late = WEEK.start - timedelta(days=1)
    store_world.add_contributions(
        [
            contribution_document(USER, MIDDLE, points=1),
            contribution_document(USER, MIDDLE, points=2.0),
            contribution_document(USER, late, points=3, recorded_at=MIDDLE),
            contribution_document(USER, MIDDLE, points=-1),
            contribution_document(USER, late, points="3", recorded_at=MIDDLE),
            contribution_document(USER, "Monday", recorded_at=MIDDLE),
            contribution_document(USER, MIDDLE, recorded_at=CUTOFF),
            contribution_document(None, MIDDLE, recorded_at=CUTOFF),
            contribution_document(USER, late, recorded_at=CUTOFF),
        ]
    )

    found = store_world.store.week_points(WINDOW, RULES)

    assert (found.seen, found.counted, found.malformed_count, found.after_cutoff) == (8, 3, 3, 2)
    assert [(u.contributions, u.late_contributions) for u in found.users] == [(3, 1)]
    assert found.malformed_points == 100
    assert found.after == ()


def test_the_first_contributions_after_the_cutoff_are_listed(store_world: StoreWorld) -> None:
    ids = [object_id(CUTOFF + timedelta(minutes=n), n) for n in range(5)]
    store_world.add_contributions(
        [contribution_document(USER, MIDDLE, document_id=each) for each in reversed(ids)]
    )

    found = store_world.store.week_points(WINDOW, RULES, 3)

    assert found.after == tuple(str(each) for each in ids[:3])
    assert found.after_cutoff == 5


@pytest.mark.parametrize("key", ["id", "mark", "$_id", ""])
def test_a_user_id_cannot_pass_for_a_contribution(store_world: StoreWorld, key: str) -> None:
    forged = {"id": 1, "user_id": USER, "type": "creation", "total_points": 9, "created_at": MIDDLE}
    for user_id in (forged, {key: forged}, [forged], {key: None}):
        store_world.add_contributions([contribution_document(user_id, MIDDLE)])

    assert points(store_world) == []
    assert malformed(store_world, 10)[0] == 4


# --- agreement on random input -----------------------------------------------------------------

INSTANTS = st.sampled_from(
    [
        *(WEEK.start, WEEK.end, WEEK.back(4).start, PREVIOUS_CUTOFF, CUTOFF, MIDDLE),
        *(RANDOM_FROM, DELAYED_WINDOW.cutoff, WEEK.start - timedelta(days=10)),
        datetime(1969, 12, 31, 23, tzinfo=UTC),
        datetime(2105, 1, 1, tzinfo=UTC),
    ]
).flatmap(lambda at: st.integers(-1500, 1500).map(lambda ms: at + timedelta(milliseconds=ms)))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 1200),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.floats(0, 1200).map(round).map(float),
    st.sampled_from(["", "creation", "review", "vandalism", "540", USER, USER.upper(), "a"]),
    st.sampled_from([Decimal128("540"), Decimal128("NaN"), ObjectId(USER), b"bytes"]),
    INSTANTS,
)
VALUES = st.one_of(
    ODD,
    st.lists(ODD, max_size=2),
    st.dictionaries(st.sampled_from(["0", "a", ""]), ODD, max_size=2),
)
IDS = st.one_of(
    INSTANTS.filter(lambda at: at.year >= 1970).map(lambda at: int(at.timestamp())),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["text", 3.5, "f" * 24]),
)


@st.composite
def contributions(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly valid contributions, each with a few arbitrary fields."""
    document: dict[str, Any] = {
        "id": draw(IDS),
        "user_id": draw(st.sampled_from([USER, USER.upper(), ObjectId(USER), "other", "Other"])),
        "type": draw(st.sampled_from(["creation", "minor_edit", "review"])),
        "total_points": draw(st.one_of(st.integers(0, 300), st.just(113.0))),
        "created_at": draw(INSTANTS),
    }
    for field in draw(st.sets(st.sampled_from(list(document)[1:]), max_size=2)):
        if draw(st.booleans()):
            document[field] = draw(VALUES)
        else:
            del document[field]
    return document


def with_ids(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unique `_id`s: an ObjectId of that second, or a value of another type."""
    made = []
    for number, document in enumerate(documents):
        kind = document["id"]
        if isinstance(kind, int):
            document_id: object = object_id(datetime.fromtimestamp(kind, UTC), number)
        else:
            document_id = kind + number if isinstance(kind, float) else f"{kind}{number}"
        rest = {name: value for name, value in document.items() if name != "id"}
        made.append({"_id": document_id, **rest})
    return made


@pytest.mark.real
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(contributions(), max_size=25),
    st.sampled_from([WINDOW, FIRST_WINDOW, DELAYED_WINDOW]),
)
@example([{"id": 1733788800, "user_id": [USER], "type": ["review"]}], WINDOW)
@example([{"id": 1733788800, "user_id": USER, "type": "creation", "total_points": -0.0}], WINDOW)
def test_fake_and_database_agree_on_odd_contributions(
    contract_database: Mongo, documents: list[dict[str, Any]], window: PointsWindow
) -> None:
    stored = with_ids(documents)
    answers = []
    for world in (FakeStoreWorld(), MongoStoreWorld(contract_database)):
        world.add_contributions(stored)
        found = world.store.week_points(window, RULES, 100)
        users = sorted(found.users, key=lambda user: user.user_id)
        assert found.seen == found.counted + found.malformed_count + found.after_cutoff
        assert found.counted == sum(user.contributions for user in users)
        counts = [(user.contributions, user.late_contributions) for user in users]
        answers.append(((users, counts), replace(found, users=iter(()))))

    (fake_users, fake), (real_users, real) = answers
    assert real_users == fake_users
    assert replace(real, users=fake.users) == fake


# --- accounts ----------------------------------------------------------------------------------


def test_accounts_are_found_in_every_form_of_their_id(store_world: StoreWorld) -> None:
    other = "aaaaaaaaaaaaaaaaaaaaaaaa"
    store_world.add_user(user_document(ObjectId(USER), "w1"))
    store_world.add_user(user_document(other.upper(), "w2"))
    store_world.add_user(user_document("plain", 42))

    found = store_world.store.accounts([USER, other, "plain", "unknown"], [])

    assert {user_id: account.wallet for user_id, account in found.items()} == {
        USER: "w1",
        other: "w2",
        "plain": 42,
    }
    assert {account.user_id for account in found.values()} == set(found)
    assert set(store_world.store.user_ids()) == {USER, other, "plain"}


def test_of_two_accounts_with_one_id_the_usual_form_counts(store_world: StoreWorld) -> None:
    store_world.add_user(user_document(USER, "text"))
    store_world.add_user(user_document(ObjectId(USER), "object id"))

    assert store_world.store.accounts([USER], [])[USER].wallet == "object id"


@pytest.mark.parametrize(
    ("forms", "is_twice"),
    [
        ([ObjectId(USER)], False),
        ([USER], False),
        ([USER.upper()], False),
        ([ObjectId(USER), USER], True),
        ([USER, USER.upper()], True),
        ([ObjectId(USER), MIXED_CASE], True),
        ([USER.upper(), MIXED_CASE], True),
        ([ObjectId(USER), "Plain", "plain", "PLAIN"], False),
    ],
)
def test_an_account_says_whether_several_documents_are_the_user(
    store_world: StoreWorld, forms: list[object], is_twice: bool
) -> None:
    for form in dict.fromkeys(forms):
        store_world.add_user(user_document(form, f"wallet of {form!r}"))

    found = store_world.store.accounts([USER, "plain"], [])

    assert found[USER].is_twice == is_twice
    assert all(not account.is_twice for user, account in found.items() if user != USER)


def test_the_fields_that_eligibility_asks_for_come_along(store_world: StoreWorld) -> None:
    store_world.add_user(user_document("a", status="active", standing={"banned": True}))

    account = store_world.store.accounts(["a"], ["status", "standing", "no"])["a"]

    assert account.fields == {"status": "active", "standing": {"banned": True}}
    assert account.wallet is None
    assert not account.had_token_account


def test_no_accounts_for_nobody(store_world: StoreWorld) -> None:
    assert store_world.store.accounts([], ["status"]) == {}


# --- stakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "days", "unstaked_at", "covers"),
    [
        (WEEK.start, 7, None, True),
        (WEEK.start + timedelta(milliseconds=1), 90, None, False),
        (WEEK.start - timedelta(days=1), 7, None, False),
        (WEEK.start, 90, WEEK.end, True),
        (WEEK.start, 90, WEEK.end - timedelta(milliseconds=1), False),
    ],
)
def test_a_stake_counts_if_it_covers_the_whole_week(
    store_world: StoreWorld,
    start: datetime,
    days: int,
    unstaked_at: datetime | None,
    covers: bool,
) -> None:
    document = stake_document(ObjectId(USER), start, days=days, unstaked_at=unstaked_at)
    store_world.add_stake(document)

    found = store_world.store.stakes_covering(WEEK, [USER, "other"])

    assert [stake.user_id for stake in found] == ([USER] if covers else [])


def test_a_stakes_status_does_not_matter_and_its_numbers_are_exact(
    store_world: StoreWorld,
) -> None:
    end = WEEK.start + timedelta(days=90)
    document = stake_document(USER, WEEK.start, amount=0.1 + 0.2, status="completed")
    store_world.add_stake(document | {"updated_at": end})

    (stake,) = store_world.store.stakes_covering(WEEK, [USER])

    assert stake.amount == 300_000_000
    assert stake.multiplier == Decimal("1.3")
    assert (stake.start, stake.end) == (WEEK.start, WEEK.start + timedelta(days=90))


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": "many"},
        {"amount": float("nan")},
        {"amount": -1.0},
        {"amount": 1e300},
        {"multiplier": None},
        {"multiplier": 0.5},
        {"multiplier": 1e9},
        {"multiplier": 1.12345678},
    ],
)
def test_a_stake_that_cannot_be_read_counts_for_nothing(
    store_world: StoreWorld, facts: dict[str, Any]
) -> None:
    store_world.add_stake(stake_document(USER, WEEK.start, **facts))
    store_world.add_stake(stake_document(USER, WEEK.start, multiplier=1.1))

    found = store_world.store.stakes_covering(WEEK, [USER])

    assert [stake.multiplier for stake in found] == [Decimal("1.1")]


def test_only_the_stakes_of_these_users(store_world: StoreWorld) -> None:
    store_world.add_stake(stake_document("a", WEEK.start))
    store_world.add_stake(stake_document("b", WEEK.start))
    store_world.add_stake(stake_document(["a"], WEEK.start))

    assert [s.user_id for s in store_world.store.stakes_covering(WEEK, ["a"])] == ["a"]
    assert store_world.store.stakes_covering(WEEK, []) == []


def test_the_rules_are_the_owners_document(store_world: StoreWorld) -> None:
    document = store_world.store.rules_document()

    assert document is not None
    assert document["weekly_pool"] == 10000.0
    assert document["contribution_types"]["creation"]["base_points"] == 100
