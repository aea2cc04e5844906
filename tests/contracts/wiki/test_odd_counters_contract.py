"""Counters that a wiki stored as text, or as something that cannot be read, on both stores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from tests.contracts.check.test_check_contract import Ports
from tests.contracts.paid_weeks import PAID_AT, pay_week
from tests.contracts.raw_documents import RawDocuments
from tests.contracts.wiki.wiki_worlds import ADA, GUIDE, WikiWorld
from tests.fakes.store.state import as_stored
from worker.adapters.mongo import names
from worker.core.check.report import CheckReport
from worker.core.money import ONE_TOKEN
from worker.services.check.people import check_people
from worker.services.wiki.contribute import Request, contribute
from worker.services.wiki.recount import recount_all

ODD: list[Any] = ["n/a", "", "-5", "1e3", [], [5], {}, {"a": 5}, True, float("nan"), float("inf")]
ODD += [-5, -0.5, datetime(2024, 12, 16, tzinfo=UTC), b"5", Decimal128("NaN"), Decimal128("-1")]
FEW: list[Any] = ["n/a", [5], float("nan"), Decimal128("-1")]
EXACT = "total_tokens_earned_base_units"
OPENING = "opening_total_tokens_earned_base_units"
OF_USERS = [
    *("total_contributions", "total_points", "total_tokens_earned", "staked_tokens"),
    *("governance_power", EXACT, "staked_tokens_base_units", "governance_power_base_units"),
]
OF_ARTICLES = ["contribution_count", "total_tokens_earned", EXACT]
PAID = 100 * ONE_TOKEN


def give(world: WikiWorld, **fields: Any) -> None:
    RawDocuments(world).change(names.USERS, {"_id": ObjectId(ADA)}, **fields)


def add_article(world: WikiWorld, **fields: Any) -> None:
    world.add_article(as_stored({"_id": "odd", "demand_score": 1.0, **fields}))


def findings(world: WikiWorld) -> str:
    report = CheckReport()
    check_people(world.wiki, Ports(world).check, report)
    return "\n".join(map(str, report.findings))


# --- text that is a number ----------------------------------------------------------------------


def test_text_that_is_a_number_is_an_opening_balance(wiki_world: WikiWorld) -> None:
    give(
        wiki_world,
        total_tokens_earned="250.75",
        total_contributions="12",
        total_points="960.0",
        staked_tokens="5",
    )
    add_article(wiki_world, total_tokens_earned="45.5", contribution_count="8")
    assert findings(wiki_world) == ""
    pay_week(wiki_world.wiki.store, {ADA: PAID})

    result = recount_all(wiki_world.wiki)

    user, article = wiki_world.user(ADA), wiki_world.article("odd")
    assert (user["total_tokens_earned"], user[EXACT]) == (350.75, 350_750_000_000)
    assert (user["total_contributions"], user["total_points"]) == (12, 960)
    assert (article["total_tokens_earned"], article["contribution_count"]) == (45.5, 8)
    assert "staked_tokens was 5, is now 0" in result.change_lines()[0]
    assert result.unreadable == {}
    assert findings(wiki_world) == ""
    assert recount_all(wiki_world.wiki).corrected == 0


def test_opening_balances_that_became_text_still_count(wiki_world: WikiWorld) -> None:
    """As after a round trip through a file."""
    give(wiki_world, total_tokens_earned=250.75, total_points=960)
    recount_all(wiki_world.wiki)
    give(wiki_world, **{OPENING: "250750000000", EXACT: "250750000000", "total_points": "960"})

    recount_all(wiki_world.wiki)

    user = wiki_world.user(ADA)
    assert (user["total_tokens_earned"], user[EXACT]) == (250.75, 250_750_000_000)
    assert user["total_points"] == 960


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in OF_USERS for value in FEW),
        *(("total_points", value) for value in ODD),
    ],
)
def test_an_unreadable_counter_of_a_user_is_named_and_kept(
    wiki_world: WikiWorld, field: str, value: Any
) -> None:
    give(wiki_world, **{field: value})
    before = repr(wiki_world.user(ADA)[field])
    pay_week(wiki_world.wiki.store, {ADA: PAID})

    result = recount_all(wiki_world.wiki)
    contribute(wiki_world.wiki, Request(ADA, GUIDE, "review"))
    again = recount_all(wiki_world.wiki)

    user = wiki_world.user(ADA)
    assert repr(user[field]) == before
    assert list(result.unreadable) == list(again.unreadable) == [f"user {ADA}, {field}"]
    assert field in result.unreadable_lines()[0]
    assert "1 unreadable counter left" in result.sentence()
    assert f"user {ADA}, {field}: {before}, which no recount overwrites" in findings(wiki_world)
    assert again.corrected == 0
    # The others are counted.
    assert user["last_reward_claim"] == PAID_AT
    if "total_tokens_earned" not in field:
        assert user["total_tokens_earned"] == 100
    if "contributions" not in field:
        assert user["total_contributions"] == 1


@pytest.mark.parametrize("field", OF_ARTICLES)
@pytest.mark.parametrize("value", FEW, ids=repr)
def test_an_unreadable_counter_of_an_article_is_named_and_kept(
    wiki_world: WikiWorld, field: str, value: Any
) -> None:
    add_article(wiki_world, **{field: value})
    before = repr(wiki_world.article("odd")[field])

    contribute(wiki_world.wiki, Request(ADA, "odd", "review"))
    result = recount_all(wiki_world.wiki)

    article = wiki_world.article("odd")
    assert repr(article[field]) == before
    assert list(result.unreadable) == [f"article odd, {field}"]
    assert f"article odd, {field}: {before}" in findings(wiki_world)
    if field != "contribution_count":
        assert article["contribution_count"] == 1


@pytest.mark.parametrize("field", ["last_reward_claim", "token_updated_at"])
@pytest.mark.parametrize("value", ["2024-12-16T00:00:00Z", 1734307200, True])
def test_a_date_that_is_no_date_is_named_and_kept(
    wiki_world: WikiWorld, field: str, value: Any
) -> None:
    give(wiki_world, **{field: value})
    pay_week(wiki_world.wiki.store, {ADA: PAID})

    result = recount_all(wiki_world.wiki)

    assert wiki_world.user(ADA)[field] == value
    assert list(result.unreadable) == [f"user {ADA}, {field}"]
    assert f"user {ADA}, {field}" in findings(wiki_world)


@pytest.mark.parametrize("value", FEW, ids=repr)
def test_an_unreadable_opening_balance_keeps_its_counter(wiki_world: WikiWorld, value: Any) -> None:
    give(wiki_world, total_tokens_earned=250.75)
    recount_all(wiki_world.wiki)
    give(wiki_world, **{OPENING: value})
    pay_week(wiki_world.wiki.store, {ADA: PAID})

    recount_all(wiki_world.wiki)

    assert wiki_world.user(ADA)["total_tokens_earned"] == 250.75
    assert f"user {ADA}, {OPENING}" in findings(wiki_world)


# --- corrections --------------------------------------------------------------------------------


@pytest.mark.parametrize("corrected", [250.75, "250.75", Decimal128("250.75")])
def test_a_corrected_counter_becomes_an_opening_balance(
    wiki_world: WikiWorld, corrected: Any
) -> None:
    give(wiki_world, total_tokens_earned="n/a", total_points="many", staked_tokens="none")
    pay_week(wiki_world.wiki.store, {ADA: PAID})
    recount_all(wiki_world.wiki)

    give(wiki_world, total_tokens_earned=corrected, total_points=960, staked_tokens=5)
    result = recount_all(wiki_world.wiki)

    user = wiki_world.user(ADA)
    assert (user["total_tokens_earned"], user["total_points"]) == (350.75, 960)
    assert (user[OPENING], user["opening_total_points"]) == (250_750_000_000, 960)
    assert "staked_tokens was 5, is now 0" in "\n".join(result.change_lines())
    assert (result.unreadable, findings(wiki_world)) == ({}, "")
    assert recount_all(wiki_world.wiki).corrected == 0


def test_a_counter_that_was_never_counted_has_no_balance(wiki_world: WikiWorld) -> None:
    give(wiki_world, total_points="n/a")
    recount_all(wiki_world.wiki)
    assert wiki_world.user(ADA)["opening_total_points"] is None

    give(wiki_world, total_points=None)
    recount_all(wiki_world.wiki)

    user = wiki_world.user(ADA)
    assert (user["total_points"], user["opening_total_points"]) == (0, Int64(0))


@pytest.mark.parametrize("value", ["text", 5, {}, None])
def test_an_odd_list_of_wallets_stops_no_account(wiki_world: WikiWorld, value: Any) -> None:
    give(wiki_world, token_account_wallets=value)
    store = wiki_world.wiki.store

    for wallet in ("a", "b", "a"):
        store.mark_accounts_made([(ADA, wallet)], PAID_AT)

    assert store.accounts([ADA], [])[ADA].account_wallets == ("a", "b")
