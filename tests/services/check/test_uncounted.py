"""Articles' shares, and contributions that count in no plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes.world import WEEK, World, user_id_of
from tests.services.paid_books import AMOUNT, GUIDE, NEWEST, Books, paid_books
from worker.core.check.report import Area
from worker.core.week import Week
from worker.services.check.everything import check_all
from worker.services.wiki.recount import recount_all


@pytest.fixture
def books(world: World) -> Books:
    return paid_books(world)


# --- articles ----------------------------------------------------------------------------------


def ghost_share(books: Books) -> str:
    books.store.state.article_rewards[WEEK, "ghost"] = 5
    return f"{WEEK.label}, article ghost, amount_base_units"


def share_and_article(books: Books) -> str:
    changed = books.store.state.article_rewards[WEEK, GUIDE] + 5
    books.store.state.article_rewards[WEEK, GUIDE] = changed
    tokens = books.wiki.counters.article_tokens([GUIDE])
    books.wiki.counters.write_article_tokens(tokens)
    return f"{WEEK.label}, article {GUIDE}, amount_base_units"


def missing_share(books: Books) -> str:
    del books.store.state.article_rewards[NEWEST, GUIDE]
    books.wiki.counters.write_article_tokens(books.wiki.counters.article_tokens([GUIDE]))
    return f"{NEWEST.label}, article {GUIDE}"


def float_of_share(books: Books) -> str:
    books.checking.changed_shares[WEEK, GUIDE] = {"token_amount": 1.0}
    return f"{WEEK.label}, article {GUIDE}, token_amount"


def share_of_no_week(books: Books) -> str:
    books.store.state.article_rewards[WEEK.previous(), "ghost"] = 5
    return f"{WEEK.previous().start:%Y-%m-%d}, article ghost"


@pytest.mark.parametrize(
    "change", [ghost_share, share_and_article, missing_share, float_of_share, share_of_no_week]
)
def test_an_articles_share_that_was_changed(books: Books, change: Callable[[Books], str]) -> None:
    subject = change(books)

    found = [what for area, what in books.found(offline=True) if area is Area.COUNTS]

    floats = [subject.replace(AMOUNT, "token_amount")] if change is share_and_article else []
    assert found == [subject, *floats]


# --- contributions that count in no plan -------------------------------------------------------


def test_contributions_of_nobody_are_listed_once_for_each_user(books: Books) -> None:
    moment = books.world.clock.now()
    for points in (10, 20):
        books.world.record("nobody", points, created_at=moment, recorded_at=moment)
    nobody = user_id_of("nobody")
    first, _ = list(books.store.state.contributions.values())[-2:]
    books.store.add_contribution(first | {"user_id": nobody.upper()})

    assert books.found(offline=True) == [(Area.POINTS, f"user {nobody}")]


def test_what_came_too_late_for_an_archived_week(books: Books) -> None:
    key = books.world.record(
        "user 1",
        30,
        created_at=WEEK.start + timedelta(days=1),
        recorded_at=books.world.clock.now(),
    )
    recount_all(books.wiki)

    report = check_all(books.wiki, books.checking, None)

    assert [str(each) for each in report.findings] == [
        f"weeks, 2024-W50, user {user_id_of('user 1')}: 181 points today (contributions that were "
        f"recorded at an unknown time: {key}), expected 151 as planned"
    ]


def test_random_ids_that_were_counted_are_no_finding(books: Books) -> None:
    """Their recording time is unknown, but the sums of their week are as planned."""
    moment = books.world.clock.now()
    week = Week.containing(moment)
    for days in (40, 20_000):
        books.world.record(
            "user 1", 30, created_at=moment, recorded_at=moment + timedelta(days=days)
        )
    books.pay(week)
    recount_all(books.wiki)

    assert books.found(offline=True) == []


def test_what_has_no_object_id_and_was_made_before_the_first_week(books: Books) -> None:
    books.store.add_contribution(
        {"_id": "import 1", "user_id": user_id_of("user 1"), "type": "creation",
         "total_points": 40, "created_at": WEEK.start - timedelta(days=3)}
    )  # fmt: skip
    recount_all(books.wiki)

    report = check_all(books.wiki, books.checking, None)

    assert [str(each) for each in report.findings] == [
        "weeks, contributions made before 2024-W50, recorded at an unknown time: 1 with 40 points, "
        "counted by no plan: import 1, expected made in 2024-W50 or later, to be counted"
    ]
