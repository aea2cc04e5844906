"""The main job in memory: from contributions to a closed week."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.chain.transactions import token_address
from tests.fakes.store.state import StoredWeek
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.lifecycle import Stage, Status
from worker.core.money import ONE_TOKEN
from worker.core.payout.chain import AccountProblem
from worker.core.payout.records import Distribution
from worker.core.payout.single import USER_TWICE
from worker.core.plan.totals import NO_TOTALS
from worker.services.context import Paused
from worker.services.payout.override import WalletNotUsable, wallet_of_today
from worker.services.payout.reconcile import reconcile
from worker.services.plan.approval import ApprovalMissing
from worker.services.plan.funds import FundsShort
from worker.services.plan.genesis import GenesisExists, NoGenesis, make_genesis
from worker.services.plan.plan_week import BeforeFirstWeek, WeekNotOver, dry_run, plan_week
from worker.services.week.due import find_work
from worker.services.week.story import Job, Work

POOL = 10_000 * ONE_TOKEN


def test_a_week_is_paid_to_the_base_unit(world: World) -> None:
    names = world.populate(10)
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    assert sum(world.balances(names).values()) == POOL


def test_each_contributor_gets_the_share_of_their_points(world: World) -> None:
    world.add_user("ada")
    world.add_user("bob")
    world.contribute("ada", 540)
    world.contribute("bob", 60)
    world.genesis()
    world.run()
    assert world.balances(["ada", "bob"]) == {"ada": 9_000 * ONE_TOKEN, "bob": 1_000 * ONE_TOKEN}


def test_running_a_closed_week_again_moves_nothing(world: World) -> None:
    names = world.populate(7)
    world.genesis()
    world.run()
    before = world.balances(names)
    world.first.store.requeue(WEEK)
    world.run()
    assert world.balances(names) == before


def test_a_week_without_contributions_is_anchored_and_completed(world: World) -> None:
    world.genesis()
    world.run()
    week = world.distribution()
    assert week.stage is Stage.COMPLETED
    assert week.signature is not None
    assert world.ledger.payments() == []


def test_weeks_are_paid_oldest_first_after_three_weeks_of_silence(world: World) -> None:
    later = [WEEK, WEEK.next(), WEEK.next().next()]
    names = world.populate(4)
    for week in later[1:]:
        for name in names:
            world.contribute(name, 50, week=week)
    world.genesis()
    world.clock.sleep(14 * 24 * 3600)
    world.run()
    assert [world.distribution(week).stage for week in later] == [Stage.COMPLETED] * 3
    assert sum(world.balances(names).values()) == 3 * POOL
    slots = [world.ledger.landed[world.distribution(week).signature or ""].slot for week in later]
    assert slots == sorted(slots)


def test_missing_token_accounts_are_created_before_payment(world: World) -> None:
    world.populate(3)
    world.add_user("newcomer", account=False)
    world.contribute("newcomer", 100)
    world.genesis()
    world.run()
    assert world.ledger.balance(wallet_named("newcomer")) > 0
    account = store_of(world.first).accounts([user_id_of("newcomer")], [])
    assert account[user_id_of("newcomer")].had_token_account


def test_a_user_without_wallet_is_held_and_paid_once_one_appears(world: World) -> None:
    world.populate(3)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED
    reward = world.first.store.reward(WEEK, user_id_of("ghost"))
    assert reward is not None
    assert (reward.status, reward.reason) == (Status.PENDING, "no wallet address")
    world.open_account("ghost")
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    world.run()
    assert world.ledger.balance(wallet_named("ghost")) == reward.row.amount
    assert reconcile(world.first, world.distribution()).is_exact


@pytest.mark.parametrize(
    ("planned", "today", "is_paid"),
    [(None, 4, True), (4, None, True), (4, 26, True), (26, 4, True), (4, 4, False)],
)
def test_a_held_reward_expires_by_the_rules_of_its_plan_and_not_before_todays(
    world: World, planned: int | None, today: int | None, is_paid: bool
) -> None:
    store_of(world.first).set_rules(hold_weeks=planned)
    world.populate(3)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    world.run()
    store_of(world.first).set_rules(hold_weeks=today)
    world.clock.sleep(10 * 7 * 24 * 3600)
    world.open_account("ghost")
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    for work in find_work(world.first, only=WEEK):
        world.do(world.first, work)
    world.first.store.requeue(WEEK)
    for work in find_work(world.first, only=WEEK):
        world.do(world.first, work)
    assert (world.ledger.balance(wallet_named("ghost")) > 0) == is_paid


def test_who_adopts_a_plan_owes_nobody_an_account_that_was_there(world: World) -> None:
    second = world.add_operator()
    names = world.populate(4)
    world.add_user("newcomer", account=False)
    world.contribute("newcomer", 100)
    world.genesis()
    world.run()
    world.run(second)
    for context in (world.first, second):
        users = [user_id_of(name) for name in [*names, "newcomer"]]
        made = [i for i, a in context.store.accounts(users, []).items() if a.had_token_account]
        assert made == ([user_id_of("newcomer")] if context is world.first else [])


def test_a_user_with_two_documents_is_held_until_one_is_left(world: World) -> None:
    names, store = world.populate(5), store_of(world.first)
    twice = user_id_of(names[2])
    store.add_user({"_id": twice, "wallet_address": wallet_named(names[0])})
    world.genesis()
    world.run()

    reward = store.reward(WEEK, twice)
    assert reward is not None
    assert (reward.reason, reward.row.wallet) == (USER_TWICE, "")
    balances = world.balances(names)
    assert balances.pop(names[2]) == 0
    assert all(balances.values())
    with pytest.raises(WalletNotUsable, match=USER_TWICE):
        wallet_of_today(world.first, twice)
    store.requeue(WEEK)
    world.run()
    waiting = store.reward(WEEK, twice)
    assert waiting is not None
    assert (waiting.status, waiting.reason) == (Status.PENDING, USER_TWICE)

    del store.state.users[twice]
    for _ in range(2):  # a payout is made, and paid
        store.requeue(WEEK)
        for work in find_work(world.first, only=WEEK):
            world.do(world.first, work)
    assert sum(world.balances(names).values()) == POOL


def test_a_frozen_recipient_found_at_planning_is_held(world: World) -> None:
    names = world.populate(5)
    world.ledger.change_token_account(token_address(wallet_named(names[2])), frozen=True)
    world.genesis()
    world.run()
    reward = world.first.store.reward(WEEK, user_id_of(names[2]))
    assert reward is not None
    assert reward.reason == AccountProblem.FROZEN.value
    assert world.distribution().stage is Stage.COMPLETED


def test_a_recipient_frozen_after_planning_voids_its_batch_and_the_others_are_paid_alone(
    world: World,
) -> None:
    names = world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    world.ledger.change_token_account(token_address(wallet_named(names[0])), frozen=True)
    world.clock.sleep(20)
    world.run()
    balances = world.balances(names)
    frozen = balances.pop(names[0])
    reward = world.first.store.reward(WEEK, user_id_of(names[0]))
    assert reward is not None
    assert (frozen, reward.status) == (0, Status.FAILED)
    assert reward.reason == AccountProblem.FROZEN.value
    assert sum(balances.values()) == POOL - reward.row.amount
    assert world.distribution().stage is Stage.COMPLETED


def test_a_thawed_recipient_is_paid_by_a_retry(world: World) -> None:
    names = world.populate(6)
    world.genesis()
    plan_week(world.first, WEEK)
    account = token_address(wallet_named(names[0]))
    world.ledger.change_token_account(account, frozen=True)
    world.clock.sleep(20)
    world.run()
    world.ledger.change_token_account(account, frozen=False)
    world.clock.sleep(20)
    world.first.store.requeue(WEEK)
    world.run()
    assert sum(world.balances(names).values()) == POOL
    assert reconcile(world.first, world.distribution()).is_exact


def test_a_contribution_recorded_late_counts_in_the_next_week(world: World) -> None:
    names = world.populate(2)
    world.genesis()
    world.run()
    in_week, now = WEEK.start + timedelta(days=1), world.clock.now()
    world.record(names[0], 400, created_at=in_week, recorded_at=now + timedelta(seconds=5))
    world.clock.sleep(7 * 24 * 3600)
    world.run()
    reward = world.first.store.reward(WEEK.next(), user_id_of(names[0]))
    assert reward is not None
    assert (reward.row.points, reward.late_points) == (400, 400)


def test_malformed_contributions_are_listed_and_the_others_are_paid(world: World) -> None:
    names = world.populate(3)
    document = world.record(
        names[0], -5, created_at=WEEK.start, recorded_at=WEEK.start + timedelta(hours=1)
    )
    world.genesis()
    draft = dry_run(world.first, WEEK)
    assert [(m.id, m.reason) for m in draft.notes.malformed] == [
        (str(document), "points are negative")
    ]
    world.run()
    assert sum(world.balances(names).values()) == POOL


def test_a_dry_run_writes_nothing(world: World) -> None:
    world.populate(5)
    world.genesis()
    before = store_of(world.first).snapshot()
    dry_run(world.first, WEEK)
    after = store_of(world.first).state
    assert (after.weeks, after.rewards, after.payouts) == (
        before.weeks,
        before.rewards,
        before.payouts,
    )
    assert world.archive.files == {}


# --- refusals, and their names ---------------------------------------------------------------


def test_nothing_is_planned_without_genesis(world: World) -> None:
    world.populate(2)
    with pytest.raises(NoGenesis, match="kontrib genesis"):
        plan_week(world.first, WEEK)


def test_a_second_genesis_with_other_values_is_refused(world: World) -> None:
    world.genesis()
    with pytest.raises(GenesisExists, match="2024-W50"):
        make_genesis(world.first, WEEK.previous())


def test_another_mint_cannot_plan(world: World) -> None:
    world.populate(2)
    world.genesis()
    world.ledger.mint = "AnotherMint"
    with pytest.raises(NoGenesis):
        plan_week(world.first, WEEK)


def test_a_week_before_the_first_is_refused(world: World) -> None:
    world.genesis()
    with pytest.raises(BeforeFirstWeek):
        plan_week(world.first, WEEK.previous())


def test_a_week_that_is_not_over_is_refused(world: World) -> None:
    world.genesis()
    with pytest.raises(WeekNotOver, match="2024-12-23"):
        plan_week(world.first, WEEK.next())


def test_a_week_within_its_grace_is_planned_only_when_asked_for() -> None:
    world = World(now=WEEK.end + timedelta(minutes=5))
    world.populate(2)
    world.genesis()
    with pytest.raises(WeekNotOver):
        plan_week(world.first, WEEK)
    assert plan_week(world.first, WEEK, at_once=True).how == "made"


def test_too_few_tokens_stop_the_week_before_its_anchor_with_the_exact_shortfall() -> None:
    world = World()
    chain = chain_of(world.first)
    world.ledger.change_token_account(chain.source, amount=9_999 * ONE_TOKEN)
    names = world.populate(2)
    world.genesis()
    plan_week(world.first, WEEK)
    with pytest.raises(FundsShort, match=r"short of 1 KONTRIB in the source account"):
        world.do(world.first, Work(Job.ANCHOR, WEEK))
    assert world.ledger.payments() == []
    chain.fund(tokens=ONE_TOKEN)
    world.clock.sleep(600)
    world.run()
    assert sum(world.balances(names).values()) == POOL


def test_two_unpaid_weeks_need_the_funds_of_both() -> None:
    world = World()
    chain = chain_of(world.first)
    world.ledger.change_token_account(chain.source, amount=15_000 * ONE_TOKEN)
    for name in world.populate(2):
        world.contribute(name, 70, week=WEEK.next())
    world.genesis()
    world.clock.sleep(7 * 24 * 3600)
    plan_week(world.first, WEEK)
    world.do(world.first, Work(Job.ANCHOR, WEEK))
    plan_week(world.first, WEEK.next())
    with pytest.raises(FundsShort, match="5,000 KONTRIB"):
        world.do(world.first, Work(Job.ANCHOR, WEEK.next()))


def test_a_paused_system_signs_nothing(world: World) -> None:
    names = world.populate(3)
    world.genesis()
    world.first.store.pause("the auditor calls")
    with pytest.raises(Paused, match="the auditor calls"):
        world.run()
    assert sum(world.balances(names).values()) == 0
    world.first.store.pause(None)
    world.clock.sleep(600)
    world.run()
    assert sum(world.balances(names).values()) == POOL


def test_a_plan_that_needs_approval_waits_for_it(world: World) -> None:
    world.populate(3)
    store_of(world.first).set_rules(require_approval=True)
    world.genesis()
    with pytest.raises(ApprovalMissing):
        world.run()
    assert world.first.store.approve(WEEK, world.distribution().root or b"")
    world.clock.sleep(600)
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


def test_two_operators_with_their_own_databases_pay_a_week_once(world: World) -> None:
    second = world.add_operator()
    names = world.populate(8)
    world.genesis()
    plan_week(world.first, WEEK)
    world.contribute(names[0], 999)
    world.clock.sleep(2)
    plan_week(second, WEEK)
    world.run(second)
    world.run(world.first)
    assert sum(world.balances(names).values()) == POOL
    assert world.distribution(context=second).root == world.distribution().root
    assert world.distribution().stage is Stage.COMPLETED


def test_a_lost_database_is_rebuilt_from_the_chain_and_the_published_plan(world: World) -> None:
    names = world.populate(9)
    world.genesis()
    empty = store_of(world.first).snapshot()
    plan_week(world.first, WEEK)
    world.do(world.first, Work(Job.ANCHOR, WEEK))
    world.do(world.first, Work(Job.ACCOUNTS, WEEK))
    world.do(world.first, Work(Job.PAY, WEEK, 0, 1))
    store_of(world.first).restore(empty)
    world.run()
    assert sum(world.balances(names).values()) == POOL
    assert world.distribution().stage is Stage.COMPLETED


def test_nothing_is_due_before_the_week_has_ended() -> None:
    world = World(now=WEEK.end - timedelta(seconds=1))
    world.populate(2)
    world.genesis()
    assert find_work(world.first) == []


def test_a_week_that_the_wiki_completed_itself_needs_no_work(world: World) -> None:
    world.genesis()
    weeks = store_of(world.first).state.weeks
    weeks[WEEK] = StoredWeek(Distribution(WEEK, Stage.COMPLETED), dict(NO_TOTALS))
    assert find_work(world.first) == []
    world.clock.sleep(7 * 24 * 3600)
    assert find_work(world.first) == [Work(Job.PLAN, WEEK.next())]
