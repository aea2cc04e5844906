"""Proposals: their states, their times and their outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.lifecycle import IllegalTransition
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.wiki.governance import (
    PROPOSALS,
    Proposal,
    ProposalStatus,
    ProposalType,
    ProposalUnusable,
    Votes,
    check_move,
    outcome,
)

START = datetime(2024, 12, 16, tzinfo=UTC)
DRAFT = Proposal(
    id="p",
    title="Raise the pool",
    description="",
    proposer_id="ada",
    type=ProposalType.FEATURE_REQUEST,
    parameters={},
    voting_start=START,
    voting_end=START + timedelta(days=7),
    quorum=BaseUnits(20_000 * ONE_TOKEN),
    created_at=START,
    updated_at=START,
)
power = st.integers(0, 10**15).map(BaseUnits)


def test_the_owners_example_passes() -> None:
    votes = Votes(*(BaseUnits(n * ONE_TOKEN) for n in (25_000, 8_000, 2_000)))
    assert votes.total == 35_000 * ONE_TOKEN
    assert outcome(votes, DRAFT.quorum) is ProposalStatus.PASSED


@given(power, power, power, power)
def test_it_passes_exactly_with_quorum_and_more_for_than_against(
    in_favour: BaseUnits, against: BaseUnits, abstaining: BaseUnits, quorum: BaseUnits
) -> None:
    passed = outcome(Votes(in_favour, against, abstaining), quorum) is ProposalStatus.PASSED
    assert passed == (in_favour + against + abstaining >= quorum and in_favour > against)


@given(st.sampled_from(ProposalStatus), st.sampled_from(ProposalStatus))
def test_only_moves_of_the_table_are_made(now: ProposalStatus, wanted: ProposalStatus) -> None:
    proposal = replace(DRAFT, status=now)
    if wanted in PROPOSALS[now]:
        check_move(proposal, wanted)
    else:
        with pytest.raises(IllegalTransition, match=f"is {now.value} and cannot become"):
            check_move(proposal, wanted)


def test_what_is_over_stays_over() -> None:
    ended = {status for status, after in PROPOSALS.items() if not after}
    assert ended == {ProposalStatus.REJECTED, ProposalStatus.EXECUTED, ProposalStatus.CANCELLED}


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": "x" * 301},
        {"voting_end": START},
        {"voting_end": START + timedelta(days=91)},
        {"quorum": BaseUnits(0)},
    ],
)
def test_an_unusable_proposal_cannot_be_built(changes: dict[str, object]) -> None:
    with pytest.raises(ProposalUnusable):
        replace(DRAFT, **changes)  # type: ignore[arg-type]


def test_voting_time_includes_its_start_and_not_its_end() -> None:
    tick = timedelta(milliseconds=1)
    moments = [START - tick, START, DRAFT.voting_end - tick, DRAFT.voting_end]
    assert [DRAFT.is_voting_time(moment) for moment in moments] == [False, True, True, False]
