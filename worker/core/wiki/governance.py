"""Proposals and votes: states, times, weights and outcomes.

A vote's weight is its user's governance power when the vote began. Later changes of that power do
not count. Each user has one vote, and may change it until the end.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.core.errors import Refused, UsageError
from worker.core.lifecycle import IllegalTransition
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.storable import NotStorable, check_storable, storable_text
from worker.core.wiki.counters import NO_TOKENS

DEFAULT_QUORUM = BaseUnits(20_000 * ONE_TOKEN)
DEFAULT_VOTING = timedelta(days=7)
VOTING_MAX = timedelta(days=90)
TITLE_CHARACTERS_MAX = 300
LATEST_END = datetime(9999, 1, 1, tzinfo=UTC)
"""No vote can end later, so that dates computed from its end are valid."""
CLOSE_GRACE = timedelta(minutes=3)
"""Longer than any database write takes, so the tally contains every vote that was cast in time."""


class ProposalStatus(enum.StrEnum):
    """The state of a proposal, in the owner's words."""

    DRAFT = "draft"
    ACTIVE = "active"
    PASSED = "passed"
    REJECTED = "rejected"
    EXECUTED = "executed"
    CANCELLED = "cancelled"


class ProposalType(enum.StrEnum):
    PARAMETER_CHANGE = "parameter_change"
    FEATURE_REQUEST = "feature_request"
    TREASURY_ALLOCATION = "treasury_allocation"


class Choice(enum.StrEnum):
    FOR = "for"
    AGAINST = "against"
    ABSTAIN = "abstain"


_S = ProposalStatus
PROPOSALS: Mapping[ProposalStatus, frozenset[ProposalStatus]] = {
    _S.DRAFT: frozenset({_S.ACTIVE, _S.CANCELLED}),
    _S.ACTIVE: frozenset({_S.PASSED, _S.REJECTED, _S.CANCELLED}),
    # A passed change may have become impossible. An operator then cancels the proposal.
    _S.PASSED: frozenset({_S.EXECUTED, _S.CANCELLED}),
    _S.REJECTED: frozenset(),
    _S.EXECUTED: frozenset(),
    _S.CANCELLED: frozenset(),
}


class ProposalUnusable(UsageError):
    """The proposal cannot be put to a vote in this form."""


class VoteOutsideItsTime(Refused):
    """The vote is not open: it runs from `voting_start` until just before `voting_end`."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        super().__init__(
            f"The proposal {proposal.id} is {proposal.status.value} and takes votes from "
            f"{proposal.voting_start:%Y-%m-%d %H:%M} to {proposal.voting_end:%Y-%m-%d %H:%M} UTC."
        )


class NoVotingPower(Refused):
    """The user had no governance power when voting began."""

    def __init__(self, user_id: str, proposal: Proposal) -> None:
        self.user_id = user_id
        super().__init__(
            f"User {user_id} had no governance power when the vote on {proposal.id} began "
            f"({proposal.voting_start:%Y-%m-%d %H:%M} UTC). Tokens earned later count in later "
            "votes."
        )


class ExecutedElsewhere(Refused):
    """The proposal names the transaction that executed it, so it is finished."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        super().__init__(
            f"The proposal {proposal.id} was executed by {proposal.execution_signature} "
            "(execution_tx_hash). It is never executed again, and stays unchanged."
        )


@dataclass(frozen=True, slots=True)
class Votes:
    """Sums of voting power in base units."""

    in_favour: BaseUnits = NO_TOKENS
    against: BaseUnits = NO_TOKENS
    abstaining: BaseUnits = NO_TOKENS

    @property
    def total(self) -> BaseUnits:
        return BaseUnits(self.in_favour + self.against + self.abstaining)

    def __add__(self, other: Votes) -> Votes:
        return Votes(
            BaseUnits(self.in_favour + other.in_favour),
            BaseUnits(self.against + other.against),
            BaseUnits(self.abstaining + other.abstaining),
        )


NO_VOTES = Votes()


@dataclass(frozen=True, slots=True)
class ExecutedChange:
    """The change that a passed proposal made to the configuration."""

    parameter: str
    old: Any
    new: Any
    proposer_id: str
    at: datetime
    by: str = ""
    """The command or task that made it. Empty in records of earlier versions."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. A parameter change has the `parameters` `parameter_name`, `current_value` and
    `proposed_value`. The proposer chooses the parameters of other types."""

    id: str
    title: str
    description: str
    proposer_id: str
    type: ProposalType
    parameters: Mapping[str, Any]
    voting_start: datetime
    voting_end: datetime
    quorum: BaseUnits
    created_at: datetime
    updated_at: datetime
    votes: Votes = NO_VOTES
    opening: Votes | None = NO_VOTES
    """The wiki's own tallies, which votes cast here add to. None until they are taken over."""
    status: ProposalStatus = ProposalStatus.DRAFT
    execution: ExecutedChange | None = None
    execution_signature: str | None = None
    reason: str | None = None
    """Why the proposal was cancelled, or cannot be executed."""

    def __post_init__(self) -> None:
        try:
            storable_text(self.title, "the title")
            storable_text(self.description, "the description")
            check_storable(self.parameters, "the data")
        except NotStorable as error:
            raise ProposalUnusable(f"The proposal cannot be recorded: {error}.") from None
        if not self.title.strip() or len(self.title) > TITLE_CHARACTERS_MAX:
            raise ProposalUnusable(
                f"A proposal needs a title of at most {TITLE_CHARACTERS_MAX} characters."
            )
        if self.voting_end <= self.voting_start:
            raise ProposalUnusable("A vote must end after it begins.")
        if self.voting_end - self.voting_start > VOTING_MAX:
            raise ProposalUnusable(f"A vote can last {VOTING_MAX.days} days at most.")
        if self.voting_end > LATEST_END:
            raise ProposalUnusable(f"A vote must end before the year {LATEST_END.year}.")
        if self.quorum <= 0:
            raise ProposalUnusable("The quorum must be more than 0 KONTRIB of voting power.")

    def is_voting_time(self, now: datetime) -> bool:
        return self.voting_start <= now < self.voting_end


@dataclass(frozen=True, slots=True)
class Vote:
    """One user's vote. `weight` is in base units and comes from the snapshot."""

    proposal_id: str
    user_id: str
    choice: Choice
    weight: BaseUnits
    cast_at: datetime


def check_move(proposal: Proposal, wanted: ProposalStatus) -> None:
    """
    Raises:
        IllegalTransition: `PROPOSALS` does not allow the move.
        ExecutedElsewhere: a transaction executed the proposal, whatever its status says.
    """
    if wanted not in PROPOSALS[proposal.status]:
        is_open = proposal.status is _S.ACTIVE
        end = f"{proposal.voting_end:%Y-%m-%d %H:%M} UTC"
        raise IllegalTransition(
            f"Proposal {proposal.id}",
            proposal.status.value,
            wanted.value,
            f"Its vote ends at {end}, and what has passed can then be executed."
            if is_open
            else "`kontrib proposals` shows its state.",
        )
    if proposal.execution_signature is not None:
        raise ExecutedElsewhere(proposal)


def outcome(votes: Votes, quorum: BaseUnits) -> ProposalStatus:
    """Passed if all votes reach the quorum and more power is for the proposal than against it."""
    enough = votes.total >= quorum
    return _S.PASSED if enough and votes.in_favour > votes.against else _S.REJECTED
