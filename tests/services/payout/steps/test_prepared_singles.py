"""Singles whose token account is gone: which accounts are made again, and why the rest waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from tests.simulation.faults.traps import do
from worker.core.payout.chain import AccountProblem
from worker.core.payout.hold import CLOSED_ACCOUNT, NO_WALLET, UNKNOWN_USER
from worker.core.payout.records import Payout, PayoutKind
from worker.core.payout.single import NOT_MADE_YET
from worker.core.plan.entrant import OVER_ACCOUNT_CAP
from worker.services.context import Deadline
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.prepare import PreparedPayments, prepare_payments
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal
from worker.services.week.story import Job

NAMES = ["user 0", "user 1", "user 2"]
FIVE_MINUTES, A_DAY = timedelta(minutes=5), timedelta(days=1)


@dataclass
class Town:
    """Three rewards have a payout of their own. The first two recipients have no account."""

    world: World
    payouts: list[Payout]

    def user(self, name: str, **fields: object) -> None:
        store_of(self.world.first).set_user_fields(ObjectId(user_id_of(name)), **fields)

    def prepare(self, *payouts: Payout) -> PreparedPayments:
        context = self.world.first
        planned = planned_week(context.store, WEEK)
        rows = AnchoredRows(context, planned, anchored_seal(context, planned))
        deadline = Deadline(self.world.clock, 30)
        return prepare_payments(rows, payouts or self.payouts, deadline, refused=set())

    def name_of(self, payout: Payout) -> str:
        return next(name for name in NAMES if wallet_named(name) == payout.wallet)

    def paid(self, prepared: PreparedPayments) -> list[str]:
        return sorted(self.name_of(payout) for payout, _ in prepared.intents)

    def waits(self, prepared: PreparedPayments) -> dict[str, tuple[str, timedelta]]:
        now = self.world.clock.now()
        return {
            self.name_of(each.payout): (each.reason, each.next_attempt_at - now)
            for each in prepared.later
        }


@pytest.fixture
def town(world: World) -> Town:
    world.populate(6)
    town = Town(world, [])
    for name in NAMES:
        town.user(name, wallet_address=None)
    world.genesis()
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY, Job.SINGLES)
    for name in NAMES:
        town.user(name, wallet_address=wallet_named(name))
    world.clock.sleep(A_DAY.total_seconds())
    do(world.first, Job.SINGLES)
    for name in NAMES[:2]:
        world.ledger.put_token_account(token_address(wallet_named(name)), None)
    world.clock.sleep(20)
    plan_id = world.distribution().plan_id or ""
    payouts = world.first.store.payouts_after(plan_id, "", 100)
    town.payouts = [each for each in payouts if each.kind is PayoutKind.SINGLE]
    assert sorted(map(town.name_of, town.payouts)) == NAMES
    return town


def test_accounts_that_we_never_made_are_made_and_all_are_paid(town: Town) -> None:
    prepared = town.prepare()

    assert (town.paid(prepared), prepared.later) == (NAMES, [])
    made = {
        store_of(town.world.first).state.users[ObjectId(user_id_of(n))]["token_account_wallets"][0]
        for n in NAMES[:2]
    }
    assert made == {wallet_named(name) for name in NAMES[:2]}


def test_an_account_that_we_made_before_is_not_made_again(town: Town) -> None:
    town.user("user 0", token_account_wallets=[wallet_named("user 0")])

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 1", "user 2"]
    assert town.waits(prepared) == {"user 0": (CLOSED_ACCOUNT, A_DAY)}


def test_an_unknown_user_gets_no_account(town: Town) -> None:
    del store_of(town.world.first).state.users[ObjectId(user_id_of("user 0"))]

    prepared = town.prepare()

    assert town.waits(prepared) == {"user 0": (UNKNOWN_USER, A_DAY)}
    assert town.paid(prepared) == ["user 1", "user 2"]


def test_an_operators_redirect_makes_an_account_beyond_the_users_limit(town: Town) -> None:
    many = [f"another wallet {number}" for number in range(3)]
    for name in NAMES[:2]:
        town.user(name, token_account_wallets=many)
    state = store_of(town.world.first).state
    rewards = state.rewards_of(town.world.distribution().plan_id or "")
    (stored,) = [s for s in rewards.values() if s.reward.user_id == user_id_of("user 0")]
    state.put_reward(stored, redirected_to=wallet_named("user 0"))

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 0", "user 2"]
    assert list(town.waits(prepared)) == ["user 1"]


def test_the_weeks_limit_makes_the_rest_wait_for_a_day(town: Town) -> None:
    store_of(town.world.first).set_rules(max_new_accounts_per_week=1)

    prepared = town.prepare()

    assert len(town.paid(prepared)) == 2
    assert [*town.waits(prepared).values()] == [(OVER_ACCOUNT_CAP, A_DAY)]


def test_a_creation_that_fails_is_tried_again_soon(town: Town) -> None:
    chain_of(town.world.first).refuses_sends = "node is behind"

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 2"]
    expected = (NOT_MADE_YET, FIVE_MINUTES)
    assert town.waits(prepared) == {"user 0": expected, "user 1": expected}


def test_without_sol_only_those_without_an_account_wait(town: Town) -> None:
    payer = chain_of(town.world.first).fee_payer
    account = town.world.ledger.account(payer)
    assert account is not None
    town.world.ledger.put_account(payer, replace(account, lamports=1_000_000))
    town.world.clock.sleep(20)

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 2"]
    assert sorted(town.waits(prepared)) == ["user 0", "user 1"]
    assert {each.reason for each in prepared.later} == {str(prepared.short)}


def test_a_held_single_says_so_and_gets_no_account(town: Town) -> None:
    for name in ("user 0", "user 2"):
        reward = town.world.first.store.reward(WEEK, user_id_of(name))
        assert reward is not None
        town.world.first.store.hold(reward, f"{name} asked by mail")

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 1"]
    waits = {name: reason for name, (reason, _) in town.waits(prepared).items()}
    assert waits == {"user 0": "user 0 asked by mail", "user 2": "user 2 asked by mail"}
    assert town.world.ledger.token_account(token_address(wallet_named("user 0"))) is None


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_payout_without_its_wallet_waits_alone(town: Town, first: int) -> None:
    lost = town.payouts[first]
    payouts = [replace(each, wallet=None) if each == lost else each for each in town.payouts]

    prepared = town.prepare(*payouts)

    assert len(prepared.intents) == 2
    (later,) = prepared.later
    assert (later.payout.id, later.reason) == (lost.id, NO_WALLET)
    assert not later.is_failure


def test_a_frozen_account_is_the_reason_of_its_single(town: Town) -> None:
    town.world.ledger.change_token_account(token_address(wallet_named("user 2")), frozen=True)
    town.world.clock.sleep(20)

    prepared = town.prepare()

    assert town.paid(prepared) == ["user 0", "user 1"]
    assert town.waits(prepared) == {"user 2": (AccountProblem.FROZEN.value, A_DAY)}
