"""Opens and closes votes on time, and executes passed changes.

`keep_governance` may run at any time and any number of times, in several processes at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
from worker.core.wiki.parameters import checked_change
from worker.core.wording import counted
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
"""Errors that an odd document can raise. The error of a task's time limit is left out."""

BY_COMMAND, BY_TASK = "kontrib execute", "the governance task"


class ProposalsStuck(KontribError):
    """Some proposals could not be handled. All other proposals were."""

    def __init__(self, stuck: Mapping[str, Exception]) -> None:
        self.stuck = stuck
        listed = "; ".join(f"{i}: {type(e).__name__}: {e}" for i, e in stuck.items())
        super().__init__(
            f"{counted(len(stuck), 'proposal')} could not be handled; the others were ({listed}). "
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
    """Proposals that another worker changed at the same time."""

    def sentence(self) -> str:
        return (
            f"{self.opened} votes opened, {self.closed} closed, {self.executed} changes executed, "
            f"{self.waiting} cannot be executed"
        )


def keep_governance(wiki: WikiContext) -> GovernanceKept:
    """Open and close due votes, and execute passed changes. A failure stops only its own proposal.

    Raises:
        ProposalsStuck: some proposals failed; raised after all others are done.
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
        reason = "its voting time passed before it could be opened"
        move(wiki, proposal, ProposalStatus.CANCELLED, reason=reason)
    elif status is ProposalStatus.DRAFT and now >= proposal.voting_start:
        open_vote(wiki, proposal)
        kept.opened += 1
    elif status is ProposalStatus.ACTIVE and now >= proposal.voting_end + CLOSE_GRACE:
        proposal = take_over(wiki, proposal)
        votes = (proposal.opening or NO_VOTES) + wiki.governance.count_votes(proposal.id)
        move(wiki, proposal, outcome(votes, proposal.quorum), votes=votes)
        kept.closed += 1
    elif status is ProposalStatus.ACTIVE and now >= proposal.voting_start:
        take_over(wiki, proposal)
    elif status is ProposalStatus.PASSED and proposal.type is ProposalType.PARAMETER_CHANGE:
        try:
            execute(wiki, proposal, by=BY_TASK)
            kept.executed += 1
        except (UsageError, MalformedRules) as error:
            wiki.governance.note(proposal.id, f"{type(error).__name__}: {error}", now)
            kept.waiting += 1


def execute(
    wiki: WikiContext, proposal: Proposal, *, signature: str | None = None, by: str = BY_COMMAND
) -> Proposal:
    """Execute a passed parameter change. For other types, record that an operator executed them.

    The change and its record are one write to `system_config`. If the process then crashes before
    it marks the proposal, the next try finds the record and does not change the value again. `by`
    names the command or task, and stands in the record.

    Raises:
        IllegalTransition: the proposal has not passed.
        ExecutedElsewhere: a transaction executed it before.
        MalformedRules, UnknownParameter, BeyondRange: the change is no longer possible.
        ProposalUnusable: the signature is not UTF-8.
    """
    if signature is not None and not is_storable_text(signature):
        raise ProposalUnusable("The transaction's signature is not UTF-8.")
    check_move(proposal, ProposalStatus.EXECUTED)
    is_change = proposal.type is ProposalType.PARAMETER_CHANGE
    execution = _apply(wiki, get_proposal(wiki, proposal.id), by) if is_change else None
    facts = {} if signature is None else {"execution_signature": signature}
    return move(wiki, proposal, ProposalStatus.EXECUTED, execution=execution, reason=None, **facts)


def _apply(wiki: WikiContext, proposal: Proposal, by: str) -> ExecutedChange:
    name, value = (proposal.parameters.get(k) for k in ("parameter_name", "proposed_value"))
    for _ in range(TRIES):
        if (made := wiki.governance.change_of(proposal.id)) is not None:
            return made
        check_move(proposal, ProposalStatus.EXECUTED)
        document = wiki.store.rules_document() or {}
        change = checked_change(document, str(name), value)
        facts = ".".join(change.path), change.old, change.new, proposal.proposer_id
        execution = ExecutedChange(*facts, wiki.now(), by)
        top = change.path[0]
        read = {top: document[top]} if top in document else {}
        wiki.governance.apply_change(proposal.id, change.path, execution, expected=read)
    raise ProposalRaced(proposal.id)
