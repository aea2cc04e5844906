"""Open and close votes on time, and execute what passed.

`keep_governance` may run at any time and any number of times, in several processes at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.lifecycle import IllegalTransition
from worker.core.plan.rules import MalformedRules
from worker.core.storable import is_storable_text
from worker.core.wiki.governance import (
    CLOSE_GRACE,
    NO_VOTES,
    ExecutedChange,
    ExecutedElsewhere,
    Proposal,
    ProposalStatus,
    ProposalType,
    ProposalUnusable,
    check_move,
    outcome,
)
from worker.core.wiki.parameters import Change, checked_change, value_at
from worker.services.wiki.governance import (
    TRIES,
    ProposalRaced,
    get_proposal,
    move,
    open_vote,
    take_over,
)
from worker.services.wiki_context import WikiContext

_ODD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""The errors that an odd document can raise. A task's time limit must pass through."""

BY_COMMAND, BY_TASK = "kontrib execute", "the governance task"
NEVER_OPENED = "its voting time passed before it could be opened"


class ProposalsStuck(KontribError):
    """Some proposals could not be handled. All due work on the others was done."""

    def __init__(self, stuck: Mapping[str, Exception]) -> None:
        self.stuck = stuck
        listed = "; ".join(f"{i}: {type(e).__name__}: {e}" for i, e in stuck.items())
        super().__init__(
            f"{len(stuck)} proposals could not be handled; the others were ({listed}). "
            "Correct these documents, or end them with `kontrib cancel`."
        )


@dataclass(slots=True)
class GovernanceKept:
    """The counts of one pass over all proposals."""

    opened: int = 0
    closed: int = 0
    executed: int = 0
    waiting: int = 0
    elsewhere: int = 0
    """Changed by another worker at the same time."""

    def sentence(self) -> str:
        return (
            f"{self.opened} votes opened, {self.closed} closed, {self.executed} changes executed, "
            f"{self.waiting} cannot be executed"
        )


def keep_governance(wiki: WikiContext) -> GovernanceKept:
    """Open and close due votes, and execute passed changes. One failure stops no other proposal.

    Raises:
        ProposalsStuck: some failed unexpectedly; raised after all the others are done.
        NotReady: the database does not answer, so all work stops.
    """
    kept, stuck = GovernanceKept(), dict[str, Exception]()
    for status in (ProposalStatus.DRAFT, ProposalStatus.ACTIVE, ProposalStatus.PASSED):
        for proposal in wiki.governance.proposals([status]):
            try:
                _keep(wiki, proposal, kept)
            except (IllegalTransition, ProposalRaced, ExecutedElsewhere):
                kept.elsewhere += 1
            except NotReady:
                raise
            except (KontribError, *_ODD) as error:
                stuck[proposal.id] = error
    if stuck:
        raise ProposalsStuck(stuck) from next(iter(stuck.values()))
    return kept


def _keep(wiki: WikiContext, proposal: Proposal, kept: GovernanceKept) -> None:
    now, status = wiki.now(), proposal.status
    if proposal.execution_signature is not None:
        return
    if status is ProposalStatus.DRAFT and now >= proposal.voting_end:
        move(wiki, proposal, ProposalStatus.CANCELLED, reason=NEVER_OPENED)
    elif status is ProposalStatus.DRAFT and now >= proposal.voting_start:
        open_vote(wiki, proposal)
        kept.opened += 1
    elif status is ProposalStatus.ACTIVE and now >= proposal.voting_end + CLOSE_GRACE:
        close_vote(wiki, proposal)
        kept.closed += 1
    elif status is ProposalStatus.ACTIVE and now >= proposal.voting_start:
        take_over(wiki, proposal)
    elif status is ProposalStatus.PASSED and proposal.type is ProposalType.PARAMETER_CHANGE:
        _execute_or_note(wiki, proposal, kept)


def close_vote(wiki: WikiContext, proposal: Proposal) -> Proposal:
    """Count the votes for the last time, and decide."""
    proposal = take_over(wiki, proposal)
    votes = (proposal.opening or NO_VOTES) + wiki.governance.count_votes(proposal.id)
    return move(wiki, proposal, outcome(votes, proposal.quorum), votes=votes)


def execute(
    wiki: WikiContext, proposal: Proposal, *, signature: str | None = None, by: str = BY_COMMAND
) -> Proposal:
    """Make the change of a passed parameter change. For other types, record that it was done.

    The change and its record are one write to `system_config`. After a crash before the proposal
    is marked, the next try finds the record and does not make the change again. `by` names the
    command or task, and stands in the record.

    Raises:
        IllegalTransition: the proposal has not passed.
        ExecutedElsewhere: a transaction executed it before.
        MalformedRules, UnknownParameter, BeyondRange: the change is not possible any more.
        ProposalUnusable: the signature is not text that can be recorded.
    """
    if signature is not None and not is_storable_text(signature):
        raise ProposalUnusable("The transaction's signature is not UTF-8.")
    check_move(proposal, ProposalStatus.EXECUTED)
    execution = None
    if proposal.type is ProposalType.PARAMETER_CHANGE:
        execution = _apply(wiki, get_proposal(wiki, proposal.id), by)
    facts: dict[str, Any] = {} if signature is None else {"execution_signature": signature}
    return move(wiki, proposal, ProposalStatus.EXECUTED, execution=execution, reason=None, **facts)


def _apply(wiki: WikiContext, proposal: Proposal, by: str) -> ExecutedChange:
    name, value = (proposal.parameters.get(k) for k in ("parameter_name", "proposed_value"))
    for _ in range(TRIES):
        if (made := wiki.governance.change_of(proposal.id)) is not None:
            return made
        check_move(proposal, ProposalStatus.EXECUTED)
        document = wiki.store.rules_document() or {}
        change = checked_change(document, str(name), value)
        execution = ExecutedChange(
            change.name, change.old, change.new, proposal.proposer_id, wiki.now(), by
        )
        wiki.governance.apply_change(
            proposal.id, change.path, execution, expected=_part_of(document, change)
        )
    raise ProposalRaced(proposal.id)


def _part_of(document: Mapping[str, Any], change: Change) -> Mapping[str, Any]:
    """The top-level value that holds the parameter, which the check read."""
    top = change.path[0]
    return {top: value_at(document, (top,))} if top in document else {}


def _execute_or_note(wiki: WikiContext, passed: Proposal, kept: GovernanceKept) -> None:
    try:
        execute(wiki, passed, by=BY_TASK)
        kept.executed += 1
    except (UsageError, MalformedRules) as error:
        wiki.governance.note(passed.id, f"{type(error).__name__}: {error}", wiki.now())
        kept.waiting += 1
