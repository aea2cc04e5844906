"""The world of the exhaustive test, and events that happen between steps of the services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.faults import FakeEndpoint
from tests.fakes.chain.transactions import TokenAccount, token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.errors import Unreachable
from worker.core.lifecycle import Status
from worker.core.payout.records import PayoutKind
from worker.core.plan.receipts import anchor_id
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.plan_week import plan_week
from worker.services.week.run import do_work
from worker.services.week.story import Job, Work
from worker.services.week.unblock import retry_week

FINALITY_SLOTS = 4
SETTLE_SECONDS = 10.0
"""The time until every endpoint sees a change on chain."""
NEXT_WEEK = WEEK.next()


def small_world() -> World:
    """Three batches of two, a reward held without a wallet, and a missing token account."""
    world = World(batch_size=2)
    world.ledger.finalized_lag_slots = FINALITY_SLOTS
    for name in ("ada", "bob", "cyd", "dan"):
        world.add_user(name)
    world.add_user("new", account=False)
    world.add_user("ghost", wallet=None)
    for name in ("ada", "bob", "cyd", "dan", "new", "ghost"):
        world.contribute(name, 100)
    return world


def freeze(world: World, *, frozen: bool = True) -> None:
    account = token_address(wallet_named("ada"))
    world.ledger.change_token_account(account, frozen=frozen)


def name_a_wallet(world: World) -> None:
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))


def make_everyone_payable(world: World) -> None:
    """The frozen account is thawed, and the ghost names a wallet without a token account."""
    freeze(world, frozen=False)
    name_a_wallet(world)
    world.clock.sleep(timedelta(days=2).total_seconds())
    world.first.store.requeue(WEEK)


def lose_database(world: World) -> None:
    empty_database(world.first)


def empty_database(context: Context) -> None:
    """Our collections are lost. The wiki's remain."""
    state = store_of(context).state
    tables = (state.weeks, state.rewards, state.payouts, state.first_week, state.other_transactions)
    for table in tables:
        table.clear()


def lose_database_and_file(world: World) -> None:
    lose_database(world)
    world.archive.files.clear()


def lose_all_and_be_mentioned(world: World) -> None:
    """Database and file are lost, and strangers mention the anchor more often than a try reads."""
    lose_database_and_file(world)
    chain = chain_of(world.first)
    chain.mentions_a_search = 2
    for _ in range(3):
        world.ledger.stranger_mentions(chain.receipt_address(anchor_id(WEEK)))
    world.clock.sleep(SETTLE_SECONDS)


def fill_the_archive_once(world: World) -> None:
    """The disk of the published plans is full, until an operator makes room."""
    publish, failed = world.archive.publish, []

    def once(week: Week, root: bytes, lines: Iterable[bytes]) -> None:
        if not failed:
            failed.append(root)
            raise Unreachable("no space left")
        publish(week, root, lines)

    world.archive.publish = once  # type: ignore[method-assign]


def replace_the_receipt_key(world: World) -> None:
    """A week later the receipt key is another one. Points came late for the week of the old one."""
    now = world.clock.now()
    world.record("bob", 70, created_at=WEEK.start, recorded_at=now)
    world.contribute("ada", 100, week=NEXT_WEEK)
    world.clock.sleep(timedelta(days=7).total_seconds())
    chain = chain_of(world.first)
    world.former_secrets[chain.receipt_key] = chain.receipt_secret
    chain.receipt_key = "new receipts"


def misplace_file(world: World) -> None:
    """The database and the published file are lost, and the wiki's data has changed."""
    lose_database(world)
    for name in list(world.archive.files):
        world.archive.files[f"{name}.misplaced"] = world.archive.files.pop(name)
    world.contribute("bob", 50)


def find_file_again(world: World) -> None:
    for name in list(world.archive.files):
        world.archive.files[name.removesuffix(".misplaced")] = world.archive.files[name]


def another_operator_anchors_first(world: World) -> None:
    """The other operator's wiki has one more contribution, so its plan differs."""
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    empty_database(rival)
    world.contribute("bob", 50)
    for job in (Job.PLAN, Job.ANCHOR):
        do_work(rival, Work(job, WEEK), seconds=600)


def another_worker_plans_meanwhile(world: World) -> None:
    """A second worker on the same database finishes the work in the meantime."""
    chain, raced = chain_of(world.first), []

    def race(method: str) -> None:
        if method == "costs" and not raced:
            raced.append(method)
            plan_week(world.first, WEEK)

    chain.before = race


def ask_for_approval_and_pause(world: World) -> None:
    """The rules ask for a person's approval, and an operator pauses all signing."""
    store_of(world.first).set_rules(require_approval=True)
    pause(world)


def close_an_account_before_its_single_is_paid(world: World) -> None:
    """The ghost names a wallet, and closes the new account as soon as its single is there."""
    name_a_wallet(world)
    world.first.store.requeue(WEEK)
    chain, closed = chain_of(world.first), []

    def close(method: str) -> None:
        payouts = world.first.store.payouts_after(_plan_id(world), "", 20)
        is_there = any(payout.kind is PayoutKind.SINGLE for payout in payouts)
        if method == "recipients" and is_there and not closed:
            closed.append(method)
            world.ledger.put_token_account(token_address(wallet_named("ghost")), None)

    chain.before = close


def reopen_the_account(world: World) -> None:
    chain_of(world.first).before = lambda _: None
    ghost = wallet_named("ghost")
    world.ledger.put_token_account(token_address(ghost), TokenAccount(ghost))
    world.clock.sleep(timedelta(days=2).total_seconds())
    world.first.store.requeue(WEEK)


def _plan_id(world: World) -> str:
    distribution = world.first.store.distribution(WEEK)
    return (distribution.plan_id if distribution else None) or ""


def drop_the_new_account(world: World) -> None:
    """A fork drops the creation of a token account after we saw it."""
    world.ledger.put_token_account(token_address(wallet_named("new")), None)
    world.clock.sleep(SETTLE_SECONDS)


def mark_after_settling(world: World) -> None:
    """A slow worker marks rewards as under way after another one settled them."""
    state = store_of(world.first).state
    for rewards in state.rewards.values():
        for stored in list(rewards.values()):
            if stored.reward.status is Status.COMPLETED:
                state.put_reward(stored, status=Status.PROCESSING)


def land_slowly(world: World) -> None:
    """A week later, on a cluster that lands every transaction late."""
    for name in ("ada", "bob", "late"):
        if name == "late":
            world.add_user(name, account=False)
        world.contribute(name, 100, week=NEXT_WEEK)
    world.clock.sleep(timedelta(days=7).total_seconds())
    world.ledger.holds_sends, looks = True, []

    def deliver_late(method: str) -> None:
        if method in ("statuses", "recipients"):
            looks.append(method)
            if len(looks) % 3 == 0:
                world.ledger.deliver()

    chain_of(world.first).before = deliver_late


def lose_database_a_week_later(world: World) -> None:
    world.contribute("ada", 100, week=NEXT_WEEK)
    world.clock.sleep(timedelta(days=7).total_seconds())
    lose_database(world)


def shrink_transactions(world: World) -> None:
    """The endpoints now accept smaller transactions than at planning."""
    chain_of(world.first).transfers_per_transaction = 1


def pause(world: World) -> None:
    world.first.store.pause("the auditor calls")


def resume(world: World) -> None:
    world.first.store.pause(None)


def refuse_sends(world: World) -> None:
    chain_of(world.first).refuses_sends = "node is behind"


def lose_history(world: World) -> None:
    """No endpoint returns transactions."""
    chain_of(world.first).has_history = False


def find_by_search_only(world: World) -> None:
    """The nodes return a transaction only after a search for what mentions it."""
    chain = chain_of(world.first)

    def find(method: str) -> None:
        chain.has_history = chain.has_history or method == "executions"

    chain.has_history, chain.before = False, find


def lose_creations(world: World) -> None:
    """A look at creations of accounts fails, and none lands before its blockhash expires."""
    chain, looks = chain_of(world.first), Counter[str]()

    def lose(method: str) -> None:
        looks[method] += 1
        if method == "statuses" and looks[method] == 1:
            raise Unreachable("no endpoint answers")
        if method == "recipients" and looks[method] == 2:
            world.ledger.holds_sends = False
            world.ledger.in_flight.clear()

    world.ledger.holds_sends, chain.before = True, lose


def pay_everyone_without_history(world: World) -> None:
    make_everyone_payable(world)
    lose_history(world)


def find_history_again(world: World) -> None:
    chain_of(world.first).has_history = True
    retry_week(world.first.store, WEEK)


def refuse_credits(world: World) -> None:
    """An account refuses tokens, which its state does not show."""
    account = token_address(wallet_named("ada"))
    world.ledger.change_token_account(account, refuses_credits=True)
    world.clock.sleep(SETTLE_SECONDS)


def write_a_hold_after_the_anchor(world: World) -> None:
    """A hold is written while the plan that pays the reward with a batch is anchored."""
    reward = world.first.store.reward(WEEK, user_id_of("ada"))
    assert reward is not None
    world.first.store.hold(reward, "asked by mail")


def use_up_sol(world: World) -> None:
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=1_000_000))
    world.clock.sleep(SETTLE_SECONDS)


def use_up_sol_of_singles(world: World) -> None:
    make_everyone_payable(world)
    use_up_sol(world)


def send_sol(world: World) -> None:
    """The week goes on by itself."""
    world.fund()
    world.clock.sleep(timedelta(days=2).total_seconds())


def accept_sends(world: World) -> None:
    chain_of(world.first).refuses_sends = None
    retry_week(world.first.store, WEEK)


def spread_endpoints(world: World) -> None:
    """Every method of two endpoints answers some blocks late, and the third endpoint is dead."""
    chain_of(world.first).endpoints = [
        FakeEndpoint(down=True),
        FakeEndpoint(late={"receipts": 8, "executions": 6, "accounts": 3, "statuses": 1}),
        FakeEndpoint(late={"finalized_height": 2, "receipts": 5, "latest_blockhash": 7}),
    ]


def read_accounts_late(world: World) -> None:
    """A single URL, whose nodes that read accounts lie some blocks behind the others."""
    chain_of(world.first).endpoints = [FakeEndpoint(late={"receipts": 8})]


def delay_receipts(world: World) -> None:
    """The nodes of two endpoints that read accounts fall minutes behind."""
    late = {"receipts": 400}
    world.ledger.advance(400)  # they show the genesis
    chain_of(world.first).endpoints = [
        FakeEndpoint(),
        FakeEndpoint(late=late),
        FakeEndpoint(late=late),
    ]


def answer_again(world: World) -> None:
    chain_of(world.first).endpoints = [FakeEndpoint() for _ in range(3)]
    world.first.store.requeue(WEEK)
