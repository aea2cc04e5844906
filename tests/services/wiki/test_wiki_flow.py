"""Points, counters, stakes and votes together with whole weeks, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from tests.fakes.chain.chain import wallet_named
from tests.fakes.wiki.counters import FakeCounters
from tests.fakes.wiki.governance import FakeGovernance
from tests.fakes.wiki.ingest import Killed
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN
from worker.core.wiki.counters import UserActivity
from worker.core.wiki.governance import CLOSE_GRACE, Choice, Proposal, ProposalStatus, ProposalType
from worker.services.plan.plan_week import plan_week
from worker.services.wiki import earned_tokens
from worker.services.wiki.contribute import Request, contribute
from worker.services.wiki.earned_tokens import due_recounts, recount_week
from worker.services.wiki.governance import Idea, get_proposal, propose, vote
from worker.services.wiki.governance_clock import keep_governance
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import stake
from worker.services.wiki.until_stable import StillChanging
from worker.services.wiki_context import WikiContext

POOL = 10_000 * ONE_TOKEN
GUIDE = "guide"


@pytest.fixture
def wiki(world: World) -> WikiContext:
    store_of(world.first).state.articles[GUIDE] = {"_id": GUIDE}
    return wiki_in_memory(store_of(world.first), world.clock)


def user(world: World, name: str) -> Mapping[str, object]:
    return store_of(world.first).state.users[ObjectId(user_id_of(name))]


def pay_a_week(world: World, *names: str) -> None:
    for name in names:
        world.add_user(name)
        world.contribute(name, 100)
    world.genesis()
    world.run()
    assert world.distribution().stage is Stage.COMPLETED


# --- counters ----------------------------------------------------------------------------------


def test_after_a_week_users_have_what_their_wallets_have(world: World, wiki: WikiContext) -> None:
    pay_a_week(world, "ada", "bob", "cara")
    assert due_recounts(wiki) == [WEEK]

    recount_week(wiki, WEEK)

    for name in ("ada", "bob", "cara"):
        balance = world.ledger.balance(wallet_named(name))
        assert user(world, name)["total_tokens_earned_base_units"] == balance
    assert due_recounts(wiki) == []


def test_a_reward_that_is_paid_after_the_week_was_closed_is_counted_then(
    world: World, wiki: WikiContext
) -> None:
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    pay_a_week(world, "ada")
    recount_week(wiki, WEEK)
    assert not user(world, "ghost").get("total_tokens_earned_base_units")
    world.open_account("ghost")
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    world.run()

    assert due_recounts(wiki) == [WEEK]
    recount_week(wiki, WEEK)

    balance = world.ledger.balance(wallet_named("ghost"))
    assert user(world, "ghost")["total_tokens_earned_base_units"] == balance > 0


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_each_paid_reward_reaches_the_articles_once(
    world: World, wiki: WikiContext, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """However many positions a query reads, and although one range has no paid reward."""
    monkeypatch.setattr(earned_tokens, "CHUNK_IDS", at_once)
    names = ("ada", "bob", "cara")
    for name in (*names, "ghost"):
        world.add_user(name, wallet=None if name == "ghost" else wallet_named(name))
        contribute(wiki, Request(user_id_of(name), GUIDE, "creation"))
    world.genesis()
    world.clock.sleep(7 * 24 * 3600)
    world.run()

    recount_all(wiki)

    wallets = [wallet_named(name) for name in names]
    paid = sum(world.ledger.balance(wallet) for wallet in wallets)
    article = store_of(world.first).state.articles[GUIDE]
    assert article["total_tokens_earned_base_units"] == paid > 0


def test_what_a_week_paid_reaches_the_articles(world: World, wiki: WikiContext) -> None:
    for name in ("ada", "bob"):
        world.add_user(name)
        contribute(wiki, Request(user_id_of(name), GUIDE, "creation"))
    world.genesis()
    world.clock.sleep(7 * 24 * 3600)
    world.run()

    result = recount_all(wiki)

    article = store_of(world.first).state.articles[GUIDE]
    assert article["total_tokens_earned_base_units"] == POOL
    assert (result.shared, result.unshared) == (POOL, 0)


def test_a_recorded_contribution_counts_in_the_week_that_it_was_made_in(
    world: World, wiki: WikiContext
) -> None:
    world.add_user("ada")
    world.genesis()
    recorded = contribute(wiki, Request(user_id_of("ada"), GUIDE, "creation"))
    world.clock.sleep(7 * 24 * 3600)
    world.run()

    assert world.first.store.reward(WEEK, user_id_of("ada")) is None
    reward = world.first.store.reward(WEEK.next(), user_id_of("ada"))
    assert reward is not None
    assert reward.row.points == recorded.contribution.total_points


class InterruptedCounters(FakeCounters):
    """Counters with an event just before each write."""

    interruptions: int = 1

    def interrupt(self) -> None:
        """The event; tests replace it."""

    def write_user_activity(self, activity: Mapping[str, tuple[UserActivity, float]]) -> int:
        if self.interruptions:
            self.interruptions -= 1
            self.interrupt()
        return super().write_user_activity(activity)


def test_a_contribution_that_comes_in_while_counting_is_counted(
    world: World, wiki: WikiContext
) -> None:
    ada = world.add_user("ada")

    class Counters(InterruptedCounters):
        def interrupt(self) -> None:
            contribute(wiki, Request(ada, GUIDE, "review"))

    interrupted = replace(wiki, counters=Counters(store_of(world.first)))
    contribute(interrupted, Request(ada, GUIDE, "review"))

    assert user(world, "ada")["total_contributions"] == 2


def test_what_changes_all_the_time_is_not_counted_for_ever(world: World, wiki: WikiContext) -> None:
    ada = world.add_user("ada")

    class Counters(InterruptedCounters):
        interruptions = 1000

        def interrupt(self) -> None:
            wiki.contributions.record(recorded.contribution, None)

    recorded = contribute(wiki, Request(ada, GUIDE, "review"))
    interrupted = replace(wiki, counters=Counters(store_of(world.first)))

    with pytest.raises(StillChanging):
        contribute(interrupted, Request(ada, GUIDE, "review"))


def test_a_process_that_dies_before_it_counted_is_made_up_for(
    world: World, wiki: WikiContext
) -> None:
    ada = world.add_user("ada")

    class Counters(InterruptedCounters):
        def interrupt(self) -> None:
            raise Killed

    request = Request(ada, GUIDE, "review", key="k")
    with pytest.raises(Killed):
        contribute(replace(wiki, counters=Counters(store_of(world.first))), request)
    assert "total_contributions" not in user(world, "ada")

    again = contribute(wiki, request)

    assert not again.is_new
    assert user(world, "ada")["total_contributions"] == 1


# --- stakes ------------------------------------------------------------------------------------


def test_a_stake_multiplies_the_next_whole_weeks_points(world: World, wiki: WikiContext) -> None:
    pay_a_week(world, "ada", "bob")
    stake(wiki, user_id_of("ada"), 100, 365)
    later = WEEK.next().next()
    for name in ("ada", "bob"):
        world.contribute(name, 100, week=later)
    world.clock.sleep(14 * 24 * 3600)
    world.run()

    rewards = [world.first.store.reward(later, user_id_of(name)) for name in ("ada", "bob")]
    weights = [reward.row.weight for reward in rewards if reward is not None]
    assert weights == [200 * 10**6, 100 * 10**6]


# --- votes -------------------------------------------------------------------------------------


def pass_a_raise(world: World, wiki: WikiContext) -> Proposal:
    """Ada alone votes for a pool of 15,000, in the shortest possible vote."""
    idea = Idea(
        "Raise the pool",
        user_id_of("ada"),
        ProposalType.PARAMETER_CHANGE,
        parameter="weekly_token_pool",
        value=15_000,
        voting_time=timedelta(hours=1),
        quorum=1,
    )
    proposal = propose(wiki, idea)
    vote(wiki, proposal.id, user_id_of("ada"), Choice.FOR)
    world.clock.sleep((timedelta(hours=1) + CLOSE_GRACE).total_seconds())
    return proposal


def test_a_passed_change_begins_with_the_next_planned_week_and_alters_no_planned_one(
    world: World, wiki: WikiContext
) -> None:
    pay_a_week(world, "ada")
    planned, later = WEEK.next(), WEEK.next().next()
    for week in (planned, later):
        world.contribute("ada", 100, week=week)
    world.clock.sleep(7 * 24 * 3600)
    plan_week(world.first, planned)
    proposal = pass_a_raise(world, wiki)

    assert keep_governance(wiki).executed == 1
    world.run()
    world.clock.sleep(7 * 24 * 3600)
    world.run()

    amounts = []
    for week in (planned, later):
        reward = world.first.store.reward(week, user_id_of("ada"))
        assert reward is not None
        amounts.append(reward.row.amount)
    assert amounts == [POOL, 15_000 * ONE_TOKEN]
    assert get_proposal(wiki, proposal.id).status is ProposalStatus.EXECUTED


def test_a_process_that_dies_between_change_and_proposal_changes_it_once(
    world: World, wiki: WikiContext
) -> None:
    pay_a_week(world, "ada")
    proposal = pass_a_raise(world, wiki)

    class Governance(FakeGovernance):
        def move(
            self,
            proposal_id: str,
            current: ProposalStatus,
            wanted: ProposalStatus,
            **facts: object,
        ) -> bool:
            if wanted is ProposalStatus.EXECUTED:
                raise Killed
            return super().move(proposal_id, current, wanted, **facts)

    dying = replace(wiki, governance=Governance(store_of(world.first)))
    with pytest.raises(Killed):
        keep_governance(dying)
    assert get_proposal(wiki, proposal.id).status is ProposalStatus.PASSED
    first = wiki.governance.change_of(proposal.id)
    world.clock.sleep(3600)

    assert keep_governance(wiki).executed == 1

    ended = get_proposal(wiki, proposal.id)
    assert (ended.status, ended.execution) == (ProposalStatus.EXECUTED, first)
    assert len(store_of(world.first).state.config["token_system"]["governance_changes"]) == 1


def test_two_workers_that_keep_votes_at_once_do_it_once(world: World, wiki: WikiContext) -> None:
    pay_a_week(world, "ada")
    proposal = pass_a_raise(world, wiki)

    class Governance(FakeGovernance):
        """Another worker does all work just before this worker moves a proposal."""

        def move(
            self,
            proposal_id: str,
            current: ProposalStatus,
            wanted: ProposalStatus,
            **facts: object,
        ) -> bool:
            keep_governance(wiki)
            return super().move(proposal_id, current, wanted, **facts)

    kept = keep_governance(replace(wiki, governance=Governance(store_of(world.first))))

    assert get_proposal(wiki, proposal.id).status is ProposalStatus.EXECUTED
    assert kept.executed == 0
    assert len(store_of(world.first).state.config["token_system"]["governance_changes"]) == 1
