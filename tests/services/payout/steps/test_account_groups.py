"""The accounts of a large plan are created in groups: one lands while the next one is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of
from tests.simulation.faults.traps import do
from worker.services.context import Deadline
from worker.services.payout import token_accounts
from worker.services.payout.token_accounts import AccountsMissing, prepare_accounts
from worker.services.plan.funds import FundsShort, payer_reserve
from worker.services.plan.planned_week import planned_week
from worker.services.week.story import Job

USERS = 6


@pytest.fixture
def anchored(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An anchored plan whose six accounts are all missing. A group is two accounts."""
    monkeypatch.setattr(token_accounts, "CREATED_AT_ONCE", 2)
    world.populate(USERS)
    world.genesis()
    for number in range(USERS):
        world.ledger.put_token_account(token_address(wallet_named(f"user {number}")), None)
    world.clock.sleep(20)
    do(world.first, Job.PLAN, Job.ANCHOR)
    chain_of(world.first).accounts_per_transaction = 1
    return world


def prepare(world: World, seconds: float = 600) -> tuple[int, bool]:
    planned = planned_week(world.first.store, WEEK)
    return prepare_accounts(world.first, planned, Deadline(world.clock, seconds))


def unread(world: World) -> list[str]:
    """The transactions of the week whose charge is not recorded."""
    found = world.first.store.other_transactions(WEEK, "", 99)
    return [each.signature for each in found if each.charge is None]


def test_a_group_is_sent_before_the_one_before_it_is_looked_at(anchored: World) -> None:
    calls = list[str]()
    chain_of(anchored.first).before = calls.append

    assert prepare(anchored) == (USERS, True)
    steps = [name for name in calls if name in ("send", "statuses")]
    assert steps == ["send", "send", "statuses", "send", "statuses", "statuses"]
    assert "recipients" not in calls, "the plan knows what is missing"


def test_a_group_is_looked_at_without_a_pause_if_the_next_one_took_long(anchored: World) -> None:
    looks, began = list[float](), anchored.clock.now()

    def note(method: str) -> None:
        if method == "send":
            anchored.clock.sleep(30)
        if method == "statuses":
            looks.append((anchored.clock.now() - began).total_seconds())

    chain_of(anchored.first).before = note
    prepare(anchored)

    assert looks[:2] == [60, 90]


def test_the_fee_payers_balance_proves_what_all_groups_cost(anchored: World) -> None:
    chain = chain_of(anchored.first)
    prepare(anchored)

    anchored.clock.sleep(20)
    found = anchored.first.store.other_transactions(WEEK, "", 99)
    signatures = [each.signature for each in found]
    assert {each.signature: each.charge for each in found} == chain.charges(signatures)
    assert len(found) == USERS


def test_groups_that_expire_leave_the_charges_of_all_groups_to_be_read(
    anchored: World,
) -> None:
    rounds = list[str]()

    def hold_the_second_and_third(method: str) -> None:
        if method == "sign_account_creations":
            rounds.append(method)
        anchored.ledger.holds_sends = len(rounds) in (2, 3)

    chain_of(anchored.first).before = hold_the_second_and_third

    assert prepare(anchored) == (USERS, True)
    assert len(rounds) == 5
    assert len(unread(anchored)) == USERS  # a second try proves its own charges


def test_funds_for_exactly_these_accounts_are_enough(anchored: World) -> None:
    set_funds(anchored, accounts=USERS)
    assert prepare(anchored) == (USERS, True)


def test_funds_are_short_by_one_account(anchored: World) -> None:
    set_funds(anchored, accounts=USERS - 1)
    with pytest.raises(FundsShort, match="Token accounts are not created"):
        prepare(anchored)

    set_funds(anchored, accounts=2)
    assert prepare(anchored) == (2, True)


def test_funds_must_pay_the_group_under_way_too(anchored: World) -> None:
    set_funds(anchored, accounts=3)
    sent = list[str]()
    chain_of(anchored.first).before = lambda name: sent.append(name) if name == "send" else None

    with pytest.raises(FundsShort):
        prepare(anchored)
    assert len(sent) == 1


def set_funds(world: World, *, accounts: int) -> None:
    """Leave the fee payer what the creation of this many accounts takes."""
    chain = chain_of(world.first)
    costs, payer = chain.costs(), world.ledger.account(chain.fee_payer)
    assert payer is not None
    each = costs.token_account_rent + costs.fee_per_signature * costs.signatures
    each += costs.priority_fee_max
    lamports = accounts * each + payer_reserve(costs)
    world.ledger.put_account(chain.fee_payer, replace(payer, lamports=lamports))
    world.clock.sleep(20)


def test_when_the_time_is_over_no_further_group_is_sent(anchored: World) -> None:
    sent = list[str]()

    def let_time_pass(method: str) -> None:
        if method == "send":
            sent.append(method)
            anchored.clock.sleep(30)

    chain_of(anchored.first).before = let_time_pass
    assert prepare(anchored, seconds=50) == (2, False)  # the second group is not confirmed yet
    assert len(sent) == 2

    chain_of(anchored.first).before = lambda _: None
    anchored.clock.sleep(20)
    assert prepare(anchored) == (2, True)


def test_a_group_that_was_not_sent_in_time_is_left(anchored: World) -> None:
    """Although all that was sent has landed."""

    def let_time_pass(method: str) -> None:
        if method == "statuses":
            anchored.clock.sleep(60)

    chain_of(anchored.first).before = let_time_pass
    assert prepare(anchored, seconds=50) == (4, False)


def test_creations_that_never_land_are_reported(anchored: World) -> None:
    anchored.ledger.holds_sends = True
    with pytest.raises(AccountsMissing, match="waits for 4 token accounts"):
        prepare(anchored)
