"""Proposals and votes, on both stores."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from tests.contracts.paid_weeks import pay_week
from tests.contracts.store_worlds import WEEK
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from worker.core.lifecycle import IllegalTransition
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.wiki.governance import (
    CLOSE_GRACE,
    Choice,
    ExecutedChange,
    NoVotingPower,
    Proposal,
    ProposalStatus,
    ProposalType,
    ProposalUnusable,
    VoteOutsideItsTime,
    Votes,
)
from worker.core.wiki.parameters import BeyondRange, UnknownParameter
from worker.services.wiki.governance import (
    Idea,
    UnknownProposal,
    cancel,
    get_proposal,
    propose,
    vote,
)
from worker.services.wiki.governance_clock import execute, keep_governance
from worker.services.wiki.staking import stake
from worker.services.wiki_context import UnknownUser

CARA = "a user without tokens"
RAISE = Idea(
    "Raise the pool to 15,000",
    ADA,
    ProposalType.PARAMETER_CHANGE,
    description="To incentivize more contributions",
    parameter="weekly_token_pool",
    value=15000,
)
S = ProposalStatus


@pytest.fixture
def voters(wiki_world: WikiWorld) -> WikiWorld:
    """Ada has a voting power of 25,000, Bob 8,000, Cara 0."""
    return make_voters(wiki_world)


def make_voters(world: WikiWorld) -> WikiWorld:
    world.base.add_user({"_id": CARA})
    pay_week(world.base.store, {ADA: 25_000 * ONE_TOKEN, BOB: 8_000 * ONE_TOKEN})
    world.clock.sleep(3600)
    return world


def status(world: WikiWorld, proposal: Proposal) -> ProposalStatus:
    return get_proposal(world.wiki, proposal.id).status


def decide(world: WikiWorld, proposal: Proposal) -> Proposal:
    """Let the vote end, and return the decided proposal."""
    world.clock.moment = proposal.voting_end + CLOSE_GRACE
    keep_governance(world.wiki)
    return get_proposal(world.wiki, proposal.id)


def rules_document(world: WikiWorld) -> dict[str, Any]:
    return copy.deepcopy(dict(world.wiki.store.rules_document() or {}))


# --- proposing ---------------------------------------------------------------------------------


def test_a_proposal_that_begins_now_is_active(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)

    now = voters.clock.now()
    assert get_proposal(voters.wiki, made.id) == made
    assert made.status is S.ACTIVE
    assert (made.voting_start, made.voting_end) == (now, now + timedelta(days=7))
    assert made.parameters == {
        "parameter_name": "weekly_token_pool",
        "current_value": 10000,
        "proposed_value": 15000,
    }


def test_a_proposal_that_begins_later_is_a_draft_until_then(voters: WikiWorld) -> None:
    start = voters.clock.now() + timedelta(days=1)
    made = propose(voters.wiki, replace(RAISE, voting_start=start))
    keep_governance(voters.wiki)
    assert status(voters, made) is S.DRAFT
    voters.clock.moment = start

    assert keep_governance(voters.wiki).opened == 1

    assert status(voters, made) is S.ACTIVE


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"proposer_id": "nobody"}, UnknownUser),
        ({"parameter": "treasury_key"}, UnknownParameter),
        ({"parameter": "contribution_types.poem.base_points"}, UnknownParameter),
        ({"value": 0}, BeyondRange),
        ({"value": 10**9}, BeyondRange),
        ({"value": "much"}, BeyondRange),
        ({"parameter": None}, ProposalUnusable),
        ({"title": " "}, ProposalUnusable),
        ({"quorum": 0}, ProposalUnusable),
        ({"voting_start": datetime.fromisoformat("2024-01-01T00:00Z")}, ProposalUnusable),
        ({"voting_time": timedelta(0)}, ProposalUnusable),
        ({"voting_time": timedelta(days=91)}, ProposalUnusable),
        ({"type": ProposalType.FEATURE_REQUEST}, ProposalUnusable),
        ({"parameter": "multipliers.quality.min", "value": 3.5}, BeyondRange),
    ],
)
def test_bad_proposals_have_a_named_error_and_are_not_recorded(
    voters: WikiWorld, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        propose(voters.wiki, replace(RAISE, **changes))
    assert voters.wiki.governance.proposals(list(S)) == []


# --- voting ------------------------------------------------------------------------------------


def test_votes_weigh_what_their_users_can_vote_with(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    vote(voters.wiki, made.id, ADA, Choice.FOR)
    vote(voters.wiki, made.id, BOB, Choice.ABSTAIN)

    votes = get_proposal(voters.wiki, made.id).votes
    assert votes == Votes(BaseUnits(25_000 * ONE_TOKEN), BaseUnits(0), BaseUnits(8_000 * ONE_TOKEN))
    assert votes == voters.wiki.governance.count_votes(made.id)
    assert votes.total == 33_000 * ONE_TOKEN


def test_staked_tokens_vote_twice(voters: WikiWorld) -> None:
    stake(voters.wiki, ADA, 5_000, 30)

    made = propose(voters.wiki, RAISE)

    assert vote(voters.wiki, made.id, ADA, Choice.FOR).weight == 30_000 * ONE_TOKEN


def test_a_vote_may_be_changed_until_the_end(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    for choice in (Choice.FOR, Choice.ABSTAIN, Choice.AGAINST):
        vote(voters.wiki, made.id, BOB, choice)

    votes = get_proposal(voters.wiki, made.id).votes
    assert votes == Votes(against=BaseUnits(8_000 * ONE_TOKEN))
    cast = voters.wiki.governance.vote(made.id, BOB)
    assert cast is not None
    assert cast.choice is Choice.AGAINST


def test_power_is_what_it_was_when_the_vote_began(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    stake(voters.wiki, BOB, 8_000, 365)
    voters.clock.pass_days(1)

    assert vote(voters.wiki, made.id, BOB, Choice.FOR).weight == 8_000 * ONE_TOKEN


def test_a_late_opening_still_weighs_by_the_beginning(voters: WikiWorld) -> None:
    start = voters.clock.now() + timedelta(days=1)
    made = propose(voters.wiki, replace(RAISE, voting_start=start))
    voters.clock.moment = start + timedelta(hours=5)
    stake(voters.wiki, BOB, 8_000, 365)

    cast = vote(voters.wiki, made.id, BOB, Choice.FOR)

    assert cast.weight == 8_000 * ONE_TOKEN
    assert status(voters, made) is S.ACTIVE


def test_opening_again_after_a_crash_changes_no_power(voters: WikiWorld) -> None:
    start = voters.clock.now() + timedelta(days=1)
    made = propose(voters.wiki, replace(RAISE, voting_start=start))
    voters.wiki.governance.add_power(made.id, {ADA: BaseUnits(25_000 * ONE_TOKEN)})
    voters.clock.moment = start

    keep_governance(voters.wiki)

    powers = [voters.wiki.governance.power(made.id, user) for user in (ADA, BOB, CARA)]
    assert powers == [25_000 * ONE_TOKEN, 8_000 * ONE_TOKEN, 0]


@pytest.mark.parametrize("days", [-1, 7, 8])
def test_a_vote_outside_its_time_is_refused(voters: WikiWorld, days: int) -> None:
    start = voters.clock.now() + timedelta(days=2)
    made = propose(voters.wiki, replace(RAISE, voting_start=start))
    voters.clock.moment = start
    keep_governance(voters.wiki)
    voters.clock.moment = start + timedelta(days=days)

    with pytest.raises(VoteOutsideItsTime):
        vote(voters.wiki, made.id, ADA, Choice.FOR)
    assert voters.wiki.governance.count_votes(made.id) == Votes()


def test_who_has_no_power_cannot_vote(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)

    with pytest.raises(NoVotingPower):
        vote(voters.wiki, made.id, CARA, Choice.FOR)
    with pytest.raises(UnknownUser):
        vote(voters.wiki, made.id, "nobody", Choice.FOR)


@pytest.mark.parametrize("proposal_id", ["nothing", "f" * 24, ""])
def test_an_unknown_proposal_is_named(voters: WikiWorld, proposal_id: str) -> None:
    with pytest.raises(UnknownProposal):
        vote(voters.wiki, proposal_id, ADA, Choice.FOR)


# --- deciding ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "quorum", "decided"),
    [
        ({ADA: Choice.FOR, BOB: Choice.AGAINST}, 33_000, S.PASSED),
        ({ADA: Choice.FOR, BOB: Choice.ABSTAIN}, "33000.000000001", S.REJECTED),
        ({ADA: Choice.AGAINST, BOB: Choice.FOR}, 1, S.REJECTED),
        ({ADA: Choice.ABSTAIN}, 1, S.REJECTED),
        ({ADA: Choice.ABSTAIN, BOB: Choice.FOR}, 20_000, S.PASSED),
        ({}, 1, S.REJECTED),
    ],
)
def test_a_vote_is_decided_by_quorum_and_majority(
    voters: WikiWorld, choices: dict[str, Choice], quorum: Any, decided: ProposalStatus
) -> None:
    idea = Idea("More images", ADA, ProposalType.FEATURE_REQUEST, quorum=quorum)
    made = propose(voters.wiki, idea)
    for user_id, choice in choices.items():
        vote(voters.wiki, made.id, user_id, choice)

    ended = decide(voters, made)

    assert ended.status is decided
    assert ended.votes == voters.wiki.governance.count_votes(made.id)


def test_votes_are_counted_only_when_none_can_come_any_more(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    voters.clock.moment = made.voting_end + CLOSE_GRACE - timedelta(seconds=1)

    assert keep_governance(voters.wiki).closed == 0
    voters.clock.sleep(1)
    assert keep_governance(voters.wiki).closed == 1


def test_a_draft_whose_time_has_passed_is_cancelled(voters: WikiWorld) -> None:
    start = voters.clock.now() + timedelta(days=1)
    made = propose(voters.wiki, replace(RAISE, voting_start=start))
    voters.clock.moment = made.voting_end

    keep_governance(voters.wiki)

    ended = get_proposal(voters.wiki, made.id)
    assert (ended.status, ended.reason) == (
        S.CANCELLED,
        "its voting time passed before it could be opened",
    )


def test_a_cancelled_proposal_takes_no_votes_and_does_nothing(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    vote(voters.wiki, made.id, ADA, Choice.FOR)

    assert cancel(voters.wiki, made.id, "a mistake").reason == "a mistake"

    with pytest.raises(VoteOutsideItsTime):
        vote(voters.wiki, made.id, BOB, Choice.FOR)
    assert decide(voters, made).status is S.CANCELLED
    assert rules_document(voters)["weekly_pool"] == 10000


def test_what_is_decided_cannot_be_cancelled(voters: WikiWorld) -> None:
    made = propose(voters.wiki, Idea("x", ADA, ProposalType.FEATURE_REQUEST))
    assert decide(voters, made).status is S.REJECTED

    with pytest.raises(IllegalTransition, match="rejected and cannot become cancelled"):
        cancel(voters.wiki, made.id, "too late")


# --- executing ---------------------------------------------------------------------------------


def test_a_passed_change_changes_the_configuration_once(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    vote(voters.wiki, made.id, ADA, Choice.FOR)

    ended = decide(voters, made)
    at = voters.clock.now()
    voters.clock.pass_days(1)
    keep_governance(voters.wiki)

    assert ended.status is S.EXECUTED
    assert ended.execution == ExecutedChange(
        "weekly_pool", 10000, 15000, ADA, at, "the governance task"
    )
    document = rules_document(voters)
    assert (document["weekly_pool"], document["updated_at"]) == (15000, at)
    assert document["governance_changes"] == [
        {
            "proposal_id": made.id,
            "parameter": "weekly_pool",
            "old": 10000,
            "new": 15000,
            "proposer_id": ADA,
            "at": at,
            "by": "the governance task",
        }
    ]
    assert voters.wiki.rules().pool == 15_000 * ONE_TOKEN


@pytest.mark.parametrize(
    ("parameter", "value", "before"),
    [
        ("min_tokens_per_user", 0.5, 1.0),
        ("min_points", 25, 10),
        ("min_stake", "12.5", 0.0),
        ("staking_bonus", "on_top", "within_pool"),
        ("multipliers.quality.max", 4, 3.0),
        ("contribution_types.review.base_points", 15, 10),
        ("staking_tiers.90_days.multiplier", 1.4, 1.3),
        ("staking_tiers.90_days.apy", 0.1, 0.12),
    ],
)
def test_each_listed_parameter_can_be_changed(
    voters: WikiWorld, parameter: str, value: Any, before: Any
) -> None:
    made = propose(voters.wiki, replace(RAISE, parameter=parameter, value=value))
    vote(voters.wiki, made.id, ADA, Choice.FOR)

    ended = decide(voters, made)

    assert ended.execution is not None
    assert (ended.execution.old, ended.status) == (before, S.EXECUTED)
    found: Any = rules_document(voters)
    for part in parameter.split("."):
        found = found[part]
    assert found == ended.execution.new
    assert str(found) == str(value) or float(found) == float(value)


def test_a_crash_after_the_change_does_not_make_it_again(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    vote(voters.wiki, made.id, ADA, Choice.FOR)
    passed = decide(voters, made)
    change = voters.wiki.governance.change_of(made.id)
    voters.set_rules(weekly_pool=12_000.0)  # a later change by an operator
    # The state if the process dies before it marks the proposal.
    stuck = replace(passed, status=S.PASSED, execution=None)

    again = voters.wiki.governance.apply_change(
        made.id,
        ("weekly_pool",),
        passed.execution or change,
        expected={"weekly_pool": 12_000.0},  # type: ignore[arg-type]
    )

    assert not again
    assert rules_document(voters)["weekly_pool"] == 12_000
    assert execute(voters.wiki, stuck).execution == change


def test_a_change_is_not_made_over_one_that_came_in_between(voters: WikiWorld) -> None:
    made = propose(voters.wiki, RAISE)
    execution = ExecutedChange("weekly_pool", 10_000.0, 15_000.0, ADA, voters.clock.now())
    voters.set_rules(weekly_pool=11_000.0)

    assert not voters.wiki.governance.apply_change(
        made.id, ("weekly_pool",), execution, expected={"weekly_pool": 10_000.0}
    )
    assert rules_document(voters)["weekly_pool"] == 11_000


def test_a_change_that_became_impossible_waits_and_says_why(voters: WikiWorld) -> None:
    made = propose(voters.wiki, replace(RAISE, parameter="multipliers.quality.default", value=2))
    vote(voters.wiki, made.id, ADA, Choice.FOR)
    multipliers = rules_document(voters)["multipliers"]
    multipliers["quality"] = {"min": 0.5, "max": 1.5, "default": 1.0}
    voters.set_rules(multipliers=multipliers)

    ended = decide(voters, made)

    assert ended.status is S.PASSED
    assert "BeyondRange" in (ended.reason or "")
    assert rules_document(voters)["multipliers"]["quality"]["default"] == 1.0
    assert cancel(voters.wiki, made.id, "impossible").status is S.CANCELLED


def test_one_proposal_that_cannot_be_executed_stops_no_other(voters: WikiWorld) -> None:
    first = propose(voters.wiki, replace(RAISE, parameter="multipliers.quality.default", value=2))
    voters.clock.sleep(1)
    second = propose(voters.wiki, RAISE)
    for each in (first, second):
        vote(voters.wiki, each.id, ADA, Choice.FOR)
    multipliers = rules_document(voters)["multipliers"]
    multipliers["quality"] = {"min": 0.5, "max": 1.5, "default": 1.0}
    voters.set_rules(multipliers=multipliers)

    assert decide(voters, second).status is S.EXECUTED
    assert status(voters, first) is S.PASSED


def test_other_types_are_marked_as_executed_by_a_person(voters: WikiWorld) -> None:
    idea = Idea(
        "Fund a translator",
        BOB,
        ProposalType.TREASURY_ALLOCATION,
        parameters={"amount": 500, "recipient": "a wallet"},
    )
    made = propose(voters.wiki, idea)
    vote(voters.wiki, made.id, ADA, Choice.FOR)
    passed = decide(voters, made)
    assert passed.status is S.PASSED

    done = execute(voters.wiki, passed, signature="sig")

    assert get_proposal(voters.wiki, made.id).execution_signature == "sig"
    assert (done.status, done.execution) == (S.EXECUTED, None)
    assert done.parameters == {"amount": 500, "recipient": "a wallet"}


@pytest.mark.real
def test_many_votes_at_the_same_time_are_all_counted(real_wiki_world: WikiWorld) -> None:
    world = make_voters(real_wiki_world)
    voters = [f"voter {i}" for i in range(6)]
    for voter in voters:
        world.base.add_user({"_id": voter})
    pay_week(world.base.store, dict.fromkeys(voters, 7 * ONE_TOKEN), week=WEEK.next())
    made = propose(world.wiki, RAISE)
    barrier = Barrier(len(voters))

    def work(voter: str) -> None:
        barrier.wait()
        for choice in (Choice.FOR, Choice.AGAINST, Choice.FOR):
            vote(world.wiki, made.id, voter, choice)

    threads = [Thread(target=work, args=(voter,)) for voter in voters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    votes = get_proposal(world.wiki, made.id).votes
    assert votes == Votes(in_favour=BaseUnits(6 * 7 * ONE_TOKEN))
    assert votes == world.wiki.governance.count_votes(made.id)
