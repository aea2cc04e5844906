"""Findings about altered proposals and votes, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import Int64, ObjectId

from tests.contracts.check.test_check_contract import Ports
from tests.contracts.paid_weeks import PAID_AT, pay_week
from tests.contracts.wiki.voting_town import (
    ADAS,
    BOBS,
    FEATURE,
    PROPOSALS,
    SNAPSHOTS,
    VOTES,
    S,
    Town,
)
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from worker.core.check.report import CheckReport
from worker.core.money import ONE_TOKEN
from worker.core.wiki.governance import (
    Choice,
)
from worker.services.check.governance import check_governance
from worker.services.wiki.governance import cancel, get_proposal, propose, vote
from worker.services.wiki.governance_clock import execute, keep_governance
from worker.services.wiki.staking import stake


@pytest.fixture
def town(wiki_world: WikiWorld) -> Town:
    return Town(wiki_world)


# --- raw documents ------------------------------------------------------------------------------


def test_records_come_as_they_are_stored(town: Town) -> None:
    odd = {"_id": ObjectId(), "title": "odd", "parameters": "weekly_pool=5"}
    town.raw.add(PROPOSALS, odd)
    town.raw.change(VOTES, town.of(BOB), choice="perhaps")
    town.raw.add(SNAPSHOTS, {"proposal_id": "gone", "user_id": BOB, "power_base_units": 2.5})
    town.world.set_rules(governance_changes=["odd", {"proposal_id": "x"}])
    store, made = town.store, town.proposal

    stored = {each.id: each for each in store.stored_proposals()}
    assert stored[made.id].proposal == get_proposal(town.wiki, made.id)
    assert stored[made.id].fields["votes_for_base_units"] == ADAS
    assert (stored[str(odd["_id"])].proposal, len(stored)) == (None, 2)
    votes = {vote["user_id"]: vote["choice"] for vote in store.votes_cast(made.id)}
    assert votes == {ADA: "for", BOB: "perhaps"}
    powers = {entry["user_id"]: entry["power_base_units"] for entry in store.snapshot(made.id)}
    assert powers == {ADA: ADAS, BOB: BOBS}
    assert set(store.powers(made.id, [BOB, "nobody"])) == {BOB}
    assert store.powers("gone", [BOB])[BOB]["power_base_units"] == 2.5
    assert store.voted_on() == {made.id, "gone"}
    assert store.recorded_changes() == [{}, {"proposal_id": "x"}]


# --- clean books -------------------------------------------------------------------------------


def test_a_vote_from_its_beginning_to_long_after_its_end_has_no_difference(town: Town) -> None:
    later = replace(FEATURE, voting_start=town.wiki.now() + timedelta(days=2))
    propose(town.wiki, later)
    assert town.differences() == {}
    stake(town.wiki, ADA, 5_000, 30)
    vote(town.wiki, town.proposal.id, ADA, Choice.ABSTAIN)
    assert town.differences() == {}
    vote(town.wiki, town.proposal.id, ADA, Choice.FOR)
    town.world.clock.pass_days(3)
    keep_governance(town.wiki)
    assert town.differences() == {}

    assert town.close().status is S.EXECUTED

    assert town.differences() == {}
    town.world.clock.pass_days(100)
    keep_governance(town.wiki)
    assert town.differences() == {}


def test_other_outcomes_have_no_difference(town: Town) -> None:
    rejected, cancelled = propose(town.wiki, FEATURE), propose(town.wiki, FEATURE)
    passed = propose(town.wiki, replace(FEATURE, quorum=1))
    for each in (rejected, cancelled):
        vote(town.wiki, each.id, ADA, Choice.AGAINST)
    vote(town.wiki, passed.id, BOB, Choice.FOR)
    cancel(town.wiki, cancelled.id, "a mistake")
    town.close()
    execute(town.wiki, get_proposal(town.wiki, passed.id), signature="sig")

    assert town.differences() == {}


def test_a_proposal_that_the_wiki_decided_by_itself_is_taken_as_it_is(town: Town) -> None:
    moment = town.wiki.now()
    town.raw.add(
        PROPOSALS,
        {"_id": ObjectId(), "title": "Old", "proposer_id": ADA, "created_at": moment,
         "proposal_type": "parameter_change", "status": "executed", "quorum_required": 20000.0,
         "votes_for": 25000.0, "votes_against": 8000.0, "voting_start": moment,
         "voting_end": moment + timedelta(days=1), "parameters": {}},
    )  # fmt: skip

    assert town.differences() == {}


def test_a_reward_that_was_being_written_when_the_vote_began_may_be_in_it_or_not(
    wiki_world: WikiWorld,
) -> None:
    wiki_world.clock.moment = PAID_AT + timedelta(seconds=1)
    made = propose(wiki_world.wiki, FEATURE)
    pay_week(wiki_world.base.store, {ADA: ADAS})
    report = CheckReport()

    check_governance(wiki_world.wiki, Ports(wiki_world).check, report)

    assert wiki_world.wiki.governance.power(made.id, ADA) == 0
    assert report.is_clean


# --- votes -------------------------------------------------------------------------------------


def test_a_vote_of_another_weight(town: Town) -> None:
    town.raw.change(VOTES, town.of(BOB), weight_base_units=Int64(9 * ADAS), weight=225_000.0)

    assert town.differences() == {
        "votes_against_base_units": f"{BOBS} / {9 * ADAS} by its votes",
        f"vote of {BOB}": f"a weight of {9 * ADAS} base units / {BOBS}, as in the snapshot",
    }


def test_a_vote_whose_float_is_another(town: Town) -> None:
    town.raw.change(VOTES, town.of(BOB), weight=1.0)

    assert town.differences() == {f"vote of {BOB}": "a weight of 1.0 / 8000.0"}


def test_a_vote_of_another_choice(town: Town) -> None:
    town.raw.change(VOTES, town.of(BOB), choice="for")

    assert town.differences() == {
        "votes_for_base_units": f"{ADAS} / {ADAS + BOBS} by its votes",
        "votes_against_base_units": f"{BOBS} / 0 by its votes",
    }


def test_a_vote_of_no_choice(town: Town) -> None:
    town.raw.change(VOTES, town.of(BOB), choice="perhaps")

    found = town.differences()
    assert found[f"vote of {BOB}"] == "'perhaps' / for, against or abstain"
    assert set(found) == {f"vote of {BOB}", "votes_against_base_units"}


@pytest.mark.parametrize("closed", [False, True])
def test_a_deleted_vote(town: Town, closed: bool) -> None:
    if closed:
        town.close()
    town.raw.remove(VOTES, town.of(BOB))

    assert town.differences() == {"votes_against_base_units": f"{BOBS} / 0 by its votes"}


def test_a_vote_of_somebody_without_power(town: Town) -> None:
    forged = {"choice": "for", "weight": 5.0, "weight_base_units": Int64(5 * ONE_TOKEN)}
    town.raw.add(VOTES, town.of("nobody") | forged | {"cast_at": town.wiki.now()})

    found = town.differences()

    assert set(found) == {"vote of nobody", "votes_for_base_units"}
    assert found["vote of nobody"].endswith("base units / none, as in the snapshot")


@pytest.mark.parametrize("days", [-1, 7, None])
def test_a_vote_outside_its_time(town: Town, days: int | None) -> None:
    start = town.proposal.voting_start
    moment = "late" if days is None else start + timedelta(days=days)
    town.raw.change(VOTES, town.of(BOB), cast_at=moment)

    found = town.differences()

    assert list(found) == [f"vote of {BOB}"]
    assert found[f"vote of {BOB}"].endswith("/ cast while the vote was open")


def test_votes_of_no_proposal(town: Town) -> None:
    town.raw.remove(PROPOSALS, town.key)

    assert town.differences() == {"": "missing / there: votes or voting power belong to it"}


# --- snapshots ---------------------------------------------------------------------------------


def test_a_power_that_was_raised(town: Town) -> None:
    town.raw.change(SNAPSHOTS, town.of(BOB), power_base_units=Int64(ADAS), power=25_000.0)

    found = town.differences()

    assert set(found) == {f"power of {BOB}", f"vote of {BOB}"}
    assert found[f"power of {BOB}"].startswith(f"{ADAS} base units / {BOBS} at 2024-12-16")


def test_a_power_whose_float_is_another(town: Town) -> None:
    town.raw.change(SNAPSHOTS, town.of(BOB), power=1.0)

    assert town.differences() == {f"power of {BOB}": "1.0 / 8000.0"}


def test_a_power_that_was_taken_away(town: Town) -> None:
    town.raw.remove(SNAPSHOTS, town.of(BOB))

    found = town.differences()

    assert set(found) == {f"power of {BOB}", f"vote of {BOB}"}
    assert found[f"power of {BOB}"].startswith(f"0 base units / {BOBS} at")


def test_a_power_of_somebody_who_had_none(town: Town) -> None:
    town.raw.add(SNAPSHOTS, town.of("nobody") | {"power_base_units": Int64(7), "power": 7e-9})

    assert list(town.differences()) == ["power of nobody"]


def test_a_power_that_stands_there_before_the_vote_begins(town: Town) -> None:
    later = replace(FEATURE, voting_start=town.wiki.now() + timedelta(days=2))
    draft = propose(town.wiki, later)
    entry = {"proposal_id": draft.id, "user_id": BOB, "power_base_units": Int64(ADAS)}
    town.raw.add(SNAPSHOTS, entry | {"power": 25_000.0})

    assert list(town.differences().values()) == ["in the snapshot / none before the vote begins"]


# --- proposals ---------------------------------------------------------------------------------


def test_sums_that_were_changed(town: Town) -> None:
    town.raw.change(PROPOSALS, town.key, votes_for_base_units=Int64(1), votes_for=1e-9)

    assert town.differences() == {
        "votes_for_base_units": f"1 / {ADAS} by its votes",
        "total_voting_power_base_units": f"{ADAS + BOBS} / {BOBS + 1}",
    }


@pytest.mark.parametrize(
    "name", ["votes_for", "votes_against", "votes_abstain", "total_voting_power", "quorum_required"]
)
def test_a_float_that_was_changed(town: Town, name: str) -> None:
    town.raw.change(PROPOSALS, town.key, **{name: 77.5})

    assert [(k, v.split(" ")[0]) for k, v in town.differences().items()] == [(name, "77.5")]


@pytest.mark.parametrize("odd", [{"votes_for_base_units": 2.5}, {"weight_base_units": 2.5}])
def test_amounts_that_are_no_integers(town: Town, odd: dict[str, Any]) -> None:
    if "weight_base_units" in odd:
        town.raw.change(VOTES, town.of(ADA), **odd)
    else:
        town.raw.change(PROPOSALS, town.key, **odd)

    assert town.differences()


@pytest.mark.parametrize("forged", ["passed", "executed"])
def test_a_rejected_proposal_that_was_made_a_passed_one(town: Town, forged: str) -> None:
    vote(town.wiki, town.proposal.id, ADA, Choice.AGAINST)
    assert town.close().status is S.REJECTED
    town.raw.change(PROPOSALS, town.key, status=forged, proposal_type="feature_request")

    assert town.differences() == {"": f"{forged} / rejected by its votes and quorum"}


def test_a_quorum_that_was_lowered_after_the_vote(town: Town) -> None:
    made = propose(town.wiki, replace(FEATURE, quorum=40_000))
    vote(town.wiki, made.id, ADA, Choice.FOR)
    town.close()
    town.raw.change(
        PROPOSALS,
        {"_id": ObjectId(made.id)},
        quorum_required_base_units=Int64(ONE_TOKEN),
        quorum_required=1.0,
    )

    assert town.differences() == {
        f"proposal {made.id}": "rejected / passed by its votes and quorum"
    }


def test_a_decision_before_the_end(town: Town) -> None:
    town.raw.change(PROPOSALS, town.key, status="passed")

    assert list(town.differences()) == [""]
    assert town.differences()[""].startswith("passed / undecided until 2024-12-23")


@pytest.mark.parametrize("status", ["active", "draft"])
def test_a_vote_that_was_forgotten(town: Town, status: str) -> None:
    town.raw.change(PROPOSALS, town.key, status=status)
    town.world.clock.moment = town.proposal.voting_end + timedelta(days=3)

    assert list(town.differences()) == [""]
    assert town.differences()[""].startswith(f"{status}, though its vote")


@pytest.mark.parametrize(
    "odd",
    [{"parameters": "weekly_pool=5"}, {"title": 5}, {"voting_end": "soon"}, {"execution": "done"}],
)
def test_a_proposal_that_nobody_can_read(town: Town, odd: dict[str, Any]) -> None:
    town.raw.change(PROPOSALS, town.key, **odd)

    assert town.differences() == {"": "not readable / opened, counted and decided"}
