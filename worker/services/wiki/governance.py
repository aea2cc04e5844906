"""Records proposals and votes, and opens votes.

A vote's weights follow from rewards and stakes at the moment the vote began. So the time and the
number of attempts to open it make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from worker.core.chunks import chunks
from worker.core.errors import NotReady, UsageError
from worker.core.money import BaseUnits, base_units
from worker.core.storable import is_storable_text
from worker.core.wiki.governance import (
    DEFAULT_QUORUM,
    DEFAULT_VOTING,
    LATEST_END,
    NO_VOTES,
    Choice,
    ExecutedElsewhere,
    NoVotingPower,
    Proposal,
    ProposalStatus,
    ProposalType,
    ProposalUnusable,
    Vote,
    VoteOutsideItsTime,
    check_move,
)
from worker.core.wiki.parameters import checked_change
from worker.services.wiki_context import WikiContext

CHUNK_USERS = 1000
TRIES = 10


class UnknownProposal(UsageError):
    """No proposal has this id."""

    def __init__(self, proposal_id: str) -> None:
        super().__init__(
            f"There is no readable proposal {proposal_id!r}. List proposals with "
            "`kontrib proposals`; `kontrib check` names those that cannot be read."
        )


class ProposalRaced(NotReady):
    """Other writers kept changing the votes or the configuration."""

    def __init__(self, proposal_id: str) -> None:
        super().__init__(f"The proposal {proposal_id} is being changed elsewhere; try again.")


@dataclass(frozen=True, slots=True)
class Idea:
    """A proposal as its proposer describes it. A change has `parameter` and `value`; the other
    types have `parameters`."""

    title: str
    proposer_id: str
    type: ProposalType
    description: str = ""
    parameter: str | None = None
    value: object = None
    parameters: Mapping[str, Any] | None = None
    voting_start: datetime | None = None
    voting_time: timedelta = DEFAULT_VOTING
    quorum: object = None
    """In tokens."""


# --- proposing ---------------------------------------------------------------------------------


def propose(wiki: WikiContext, idea: Idea) -> Proposal:
    """Record a proposal as a draft, and open its vote if the vote begins now.

    Raises:
        UnknownUser: the proposer is unknown.
        ProposalUnusable: the proposal cannot be put to a vote in this form.
        UnknownParameter, BeyondRange: the change is not allowed.
    """
    now = wiki.now()
    proposer, start = wiki.account(idea.proposer_id), idea.voting_start or now
    if start < now:
        raise ProposalUnusable("A vote cannot begin in the past.")
    draft = Proposal(
        id="",
        title=idea.title,
        description=idea.description,
        proposer_id=proposer.user_id,
        type=idea.type,
        parameters=_parameters(wiki, idea),
        voting_start=start,
        voting_end=_voting_end(start, idea.voting_time),
        quorum=DEFAULT_QUORUM if idea.quorum is None else base_units(idea.quorum),
        created_at=now,
        updated_at=now,
    )
    proposal = wiki.governance.add_proposal(draft)
    return open_vote(wiki, proposal) if start <= now else proposal


def _voting_end(start: datetime, voting_time: timedelta) -> datetime:
    try:
        return start + voting_time
    except OverflowError:
        raise ProposalUnusable(f"A vote must end before the year {LATEST_END.year}.") from None


def cancel(wiki: WikiContext, proposal_id: str, reason: str) -> Proposal:
    """End a proposal that is undecided, or passed and not executed.

    Raises:
        UnknownProposal: no proposal has this id.
        IllegalTransition: it has ended, or was executed.
        ProposalUnusable: the reason cannot be recorded.
    """
    if not is_storable_text(reason):
        raise ProposalUnusable("The reason is not UTF-8, and cannot be recorded.")
    return move(wiki, get_proposal(wiki, proposal_id), ProposalStatus.CANCELLED, reason=reason)


def get_proposal(wiki: WikiContext, proposal_id: str) -> Proposal:
    """
    Raises:
        UnknownProposal: no proposal has this id.
    """
    found = wiki.governance.proposal(proposal_id) if is_storable_text(proposal_id) else None
    if found is None:
        raise UnknownProposal(proposal_id)
    return found


def _parameters(wiki: WikiContext, idea: Idea) -> dict[str, Any]:
    if idea.type is not ProposalType.PARAMETER_CHANGE:
        if idea.parameter is not None or idea.value is not None:
            raise ProposalUnusable(f"A {idea.type.value} changes no parameter.")
        return dict(idea.parameters or {})
    if idea.parameter is None or idea.value is None:
        raise ProposalUnusable("A parameter_change names a parameter and its new value.")
    change = checked_change(wiki.store.rules_document(), idea.parameter, idea.value)
    return {
        "parameter_name": idea.parameter,
        "current_value": change.old,
        "proposed_value": change.new,
    }


# --- voting ------------------------------------------------------------------------------------


def open_vote(wiki: WikiContext, proposal: Proposal) -> Proposal:
    """Take the snapshot of everyone's power, then open the vote. It may be repeated."""
    check_move(proposal, ProposalStatus.ACTIVE)
    return move(wiki, _with_snapshot(wiki, proposal), ProposalStatus.ACTIVE)


def take_over(wiki: WikiContext, proposal: Proposal) -> Proposal:
    """Take over a vote that the wiki itself opened: its tallies are the base from now on.

    Everyone's power is there before the base is, so the next call repairs a crash in between. A
    vote that is taken over already is returned unchanged.

    Raises:
        ProposalRaced: the wiki changes the tallies at every try.
    """
    return proposal if proposal.opening is not None else _with_snapshot(wiki, proposal)


def _with_snapshot(wiki: WikiContext, proposal: Proposal) -> Proposal:
    for chunk in chunks(wiki.store.user_ids(), CHUNK_USERS):
        wiki.governance.add_power(proposal.id, powers_at(wiki, chunk, proposal.voting_start))
    for _ in range(TRIES):
        if proposal.opening is not None:
            return proposal
        if proposal.execution_signature is not None:
            raise ExecutedElsewhere(proposal)
        wiki.governance.keep_opening(proposal.id)
        proposal = get_proposal(wiki, proposal.id)
    raise ProposalRaced(proposal.id)


def powers_at(wiki: WikiContext, user_ids: Sequence[str], moment: datetime) -> dict[str, BaseUnits]:
    """The voting power of these users at a moment. Users without power are left out."""
    tokens = wiki.counters.user_tokens(user_ids, at=moment)
    return {user_id: each.power for user_id, each in tokens.items() if each.power > 0}


def vote(wiki: WikiContext, proposal_id: str, user_id: str, choice: Choice) -> Vote:
    """Cast a vote, or change it.

    Raises:
        UnknownProposal, UnknownUser: nothing has this id.
        VoteOutsideItsTime, NoVotingPower, ExecutedElsewhere: the vote does not count.
    """
    proposal, now = get_proposal(wiki, proposal_id), wiki.now()
    voter = wiki.account(user_id)
    if proposal.execution_signature is not None:
        raise ExecutedElsewhere(proposal)
    if proposal.status is ProposalStatus.DRAFT and proposal.is_voting_time(now):
        proposal = open_vote(wiki, proposal)
    if proposal.status is not ProposalStatus.ACTIVE or not proposal.is_voting_time(now):
        raise VoteOutsideItsTime(proposal)
    proposal = take_over(wiki, proposal)
    weight = wiki.governance.power(proposal.id, voter.user_id)
    if weight <= 0:
        raise NoVotingPower(voter.user_id, proposal)
    cast = Vote(proposal.id, voter.user_id, choice, weight, now)
    wiki.governance.cast(cast)
    count(wiki, proposal)
    return cast


def count(wiki: WikiContext, proposal: Proposal) -> None:
    """Write the base and all votes, added up, to the proposal, until both agree.

    Raises:
        ProposalRaced: votes come in faster than they are counted.
    """
    for _ in range(TRIES):
        votes = wiki.governance.count_votes(proposal.id)
        tallies = (proposal.opening or NO_VOTES) + votes
        wiki.governance.write_votes(proposal.id, tallies, wiki.now())
        if wiki.governance.count_votes(proposal.id) == votes:
            return
    raise ProposalRaced(proposal.id)


def move(wiki: WikiContext, proposal: Proposal, wanted: ProposalStatus, **facts: Any) -> Proposal:
    """Move a proposal to its next state. Another worker may have moved it there first.

    Raises:
        IllegalTransition: the state, which may just have changed, does not allow the move.
        ExecutedElsewhere: a transaction executed it.
        ProposalRaced: another worker changed the proposal at the same time.
    """
    check_move(proposal, wanted)
    facts["updated_at"] = wiki.now()
    if wiki.governance.move(proposal.id, proposal.status, wanted, **facts):
        return replace(proposal, status=wanted, **facts)
    current = get_proposal(wiki, proposal.id)
    if current.status is not wanted:
        check_move(current, wanted)
        raise ProposalRaced(proposal.id)
    return current
