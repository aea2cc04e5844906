"""What a week has cost: the same lamports in status, report, page, year and reconcile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.fakes.chain.chain import FakeChain
from tests.fakes.chain.transactions import FEE_PER_SIGNATURE, TOKEN_ACCOUNT_RENT
from tests.fakes.world import WEEK as FIRST
from tests.fakes.world import World, chain_of, store_of
from worker.core.cost import NO_CHARGE, OtherTransaction, TransactionKind

WEEK = "2024-W50"
NEW = 10


@pytest.fixture
def spent(world: World) -> int:
    """A closed week, for which ten accounts were created in two transactions; what it took."""
    for number in range(NEW):
        world.add_user(f"new {number}", account=False)
        world.contribute(f"new {number}", 100)
    world.genesis()
    before = world.first.chain.treasury().lamports
    world.run()
    world.clock.sleep(60)
    return before - world.first.chain.treasury().lamports


def test_every_place_shows_the_whole_cost(spent: int, kontrib: Command, tmp_path: Path) -> None:
    report = kontrib.json("report", WEEK)
    assert report["cost_lamports"]["total"] == spent
    others = report["other_transactions"]
    assert [each["kind"] for each in others] == ["accounts", "accounts"]
    assert sum(each["token_accounts"] for each in others) == NEW
    assert all(each["fee_lamports"] == FEE_PER_SIGNATURE for each in others)

    fees = report["cost_lamports"]["fees"]
    for command in ("status", "reconcile"):
        found = kontrib.json(command, WEEK)
        assert (found["fees_lamports"], found["fees_unread"]) == (fees, 0)
        assert found["token_accounts_created"] == NEW
        assert found["token_accounts_rent_lamports"] == NEW * TOKEN_ACCOUNT_RENT
    assert kontrib.json("report", "--year", "2024")["cost"]["total_lamports"] == spent
    assert kontrib.json("report", "--year", "2023")["cost"] == {
        "weeks": 0,
        "fees_lamports": 0,
        "fees_unread": 0,
        "receipts_rent_lamports": 0,
        "token_accounts_rent_lamports": 0,
        "token_accounts_unrecorded": 0,
        "total_lamports": 0,
    }

    assert kontrib("report", WEEK, "--html", str(tmp_path / "week.html")) == 0
    page = (tmp_path / "week.html").read_text()
    assert page.count("<td>Token accounts</td>") == 2
    assert others[0]["signature"] in page


def test_people_read_the_cost(spent: int, kontrib: Command) -> None:
    assert kontrib("status", WEEK) == 0
    assert f"{NEW * TOKEN_ACCOUNT_RENT:,} lamports for 10 new token accounts" in kontrib.out
    assert kontrib("report", "--year", "2024", "--csv") == 0
    assert "Cost of the 1 week that ended in 2024: fees 0.0000" in kontrib.err
    user = str(first_user(kontrib))
    assert kontrib("report", "--year", "2024", "--user", user, "--csv") == 0
    assert "Cost" not in kontrib.err


def first_user(kontrib: Command) -> str:
    (first, *_) = kontrib.json("report", WEEK)["top"]
    return str(first["user_id"])


def test_a_fee_that_no_endpoint_returns_is_missing_in_words_and_read_later(
    world: World, kontrib: Command
) -> None:
    chain = chain_of(world.first)
    sign = chain.sign_account_creations
    chain.charges = lambda _: {}  # type: ignore[method-assign]
    chain.sign_account_creations = lambda *given: [  # type: ignore[method-assign]
        replace(signed, charge=None) for signed in sign(*given)
    ]
    world.add_user("new", account=False)
    world.contribute("new", 100)
    world.genesis()
    world.run()
    assert kontrib("status", WEEK) == 0
    assert "without 1 transaction not readable yet" in kontrib.out
    chain.charges = lambda given: FakeChain.charges(chain, given)  # type: ignore[method-assign]
    assert kontrib("reconcile", WEEK) == 0
    assert kontrib("status", WEEK) == 0
    assert "not readable" not in kontrib.out


def test_a_rebuilt_week_says_that_fees_are_unknown(
    spent: int, world: World, kontrib: Command
) -> None:
    state = store_of(world.first).state
    state.other_transactions.clear()
    replaced = OtherTransaction("sig", FIRST, TransactionKind.REPLACED, 1, NO_CHARGE)
    state.other_transactions["sig"] = replaced
    assert kontrib("status", WEEK) == 0
    assert "without those of 10 token accounts, whose creation is not recorded" in kontrib.out
    cost = kontrib.json("report", WEEK)["cost_lamports"]
    assert cost["token_accounts_unrecorded"] == NEW
    assert cost["total"] == spent - 2 * FEE_PER_SIGNATURE


def test_an_archived_week_keeps_its_cost(spent: int, world: World, kontrib: Command) -> None:
    store_of(world.first).archive_week(FIRST)
    assert kontrib.json("report", WEEK)["cost_lamports"]["total"] == spent
    assert kontrib.json("report", "--year", "2024")["cost"]["total_lamports"] == spent
