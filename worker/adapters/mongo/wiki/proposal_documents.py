"""Converts proposals, votes and executed changes to documents and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bson import Int64

from worker.adapters.mongo.base import stored_id
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.wiki.documents import (
    amount_fields,
    read_or_leave_out,
    stored_amount,
    typed,
)
from worker.core.money import BaseUnits
from worker.core.wiki.governance import (
    NO_VOTES,
    Choice,
    ExecutedChange,
    Proposal,
    ProposalStatus,
    ProposalType,
    Vote,
    Votes,
)

_VOTE_FIELDS = {
    "votes_for": "in_favour",
    "votes_against": "against",
    "votes_abstain": "abstaining",
    "total_voting_power": "total",
}


OPENING = "opening_"
"""Prefix of the fields that hold the wiki's own tallies."""
NO_SIGNATURE: tuple[object, ...] = (None, "")
"""Values of execution_tx_hash of a proposal that no transaction executed."""


def proposal_document(proposal: Proposal) -> Document:
    """The owner's fields and ours. Each float of tokens has an exact integer beside it."""
    execution = proposal.execution
    return {
        "_id": stored_id(proposal.id),
        "title": proposal.title,
        "description": proposal.description,
        "proposer_id": proposal.proposer_id,
        "proposal_type": proposal.type.value,
        "parameters": dict(proposal.parameters),
        "voting_start": proposal.voting_start,
        "voting_end": proposal.voting_end,
        **votes_fields(proposal.votes),
        **opening_fields(proposal.opening or NO_VOTES),
        **amount_fields(quorum_required=proposal.quorum),
        "status": proposal.status.value,
        "execution_tx_hash": proposal.execution_signature,
        "execution": None if execution is None else execution_document(execution),
        "reason": proposal.reason,
        "created_at": proposal.created_at,
        "updated_at": proposal.updated_at,
    }


def proposal_of(document: Document) -> Proposal | None:
    """The proposal, or None if the document is unreadable."""
    return read_or_leave_out("Proposal", _read, document)


def _read(document: Document) -> Proposal:
    execution, parameters = document.get("execution"), document.get("parameters") or {}
    made_at = typed(document, "created_at", datetime)
    if not isinstance(parameters, Mapping):
        raise TypeError("parameters is not an object")
    signature = document.get("execution_tx_hash")
    return Proposal(
        id=str(document["_id"]),
        title=typed(document, "title", str),
        description=typed(document, "description", str) if document.get("description") else "",
        proposer_id=str(document["proposer_id"]),
        type=ProposalType(document["proposal_type"]),
        parameters=parameters,
        voting_start=typed(document, "voting_start", datetime),
        voting_end=typed(document, "voting_end", datetime),
        quorum=stored_amount(document, "quorum_required"),
        created_at=made_at,
        updated_at=typed(document, "updated_at", datetime)
        if document.get("updated_at")
        else made_at,
        votes=_votes_of(document),
        opening=_opening_of(document),
        status=ProposalStatus(document["status"]),
        execution=execution_of(execution) if execution else None,
        execution_signature=None if signature in NO_SIGNATURE else str(signature),
        reason=document.get("reason"),
    )


def _votes_of(document: Document, prefix: str = "") -> Votes:
    tallies = {o: stored_amount(document, prefix + t) for t, o in _VOTE_FIELDS.items()}
    del tallies["total"]
    return Votes(**tallies)


def _opening_of(document: Document) -> Votes | None:
    """The base; None where the tallies are the wiki's own, and not taken over yet."""
    is_ours = any(f"{name}_base_units" in document for name in _VOTE_FIELDS)
    return _votes_of(document, OPENING) if is_ours else None


def opening_fields(opening: Votes) -> Document:
    """The base, where there is one."""
    exact = _exact_fields(opening, OPENING)
    return exact if opening != NO_VOTES else {}


def taken_over_fields(votes: Votes) -> Document:
    """The wiki's tallies as the base, and as the sums so far. Its own fields stay unchanged."""
    return {**_exact_fields(votes, OPENING), **_exact_fields(votes)}


def _exact_fields(votes: Votes, prefix: str = "") -> Document:
    tallies = {prefix + t: getattr(votes, o) for t, o in _VOTE_FIELDS.items()}
    return {f"{name}_base_units": Int64(amount) for name, amount in tallies.items()}


def tallies_of(document: Document) -> Document:
    """The wiki's own fields as they are stored; None for a missing one."""
    return {name: document.get(name) for name in _VOTE_FIELDS}


def votes_fields(votes: Votes) -> Document:
    return amount_fields(**{theirs: getattr(votes, ours) for theirs, ours in _VOTE_FIELDS.items()})


def vote_fields(vote: Vote) -> Document:
    """The fields of a vote that the user may change until the vote ends."""
    amounts = amount_fields(weight=vote.weight)
    return {"choice": vote.choice.value, **amounts, "cast_at": vote.cast_at}


def vote_of(document: Document) -> Vote:
    return Vote(
        document["proposal_id"],
        document["user_id"],
        Choice(document["choice"]),
        BaseUnits(int(document["weight_base_units"])),
        document["cast_at"],
    )


def power_document(proposal_id: str, user_id: str, power: BaseUnits) -> Document:
    return {"proposal_id": proposal_id, "user_id": user_id, **amount_fields(power=power)}


def execution_document(execution: ExecutedChange) -> Document:
    return asdict(execution)


def execution_of(document: Mapping[str, Any]) -> ExecutedChange:
    if not isinstance(document, Mapping):
        raise TypeError("the execution is not an object")
    facts = ("parameter", "old", "new", "proposer_id", "at")
    facts_of = {name: document[name] for name in facts}
    return ExecutedChange(**facts_of, by=str(document.get("by") or ""))


def is_change_of(change: object, proposal_id: str) -> bool:
    return isinstance(change, Mapping) and change.get("proposal_id") == proposal_id


def stored_facts(facts: Mapping[str, Any]) -> Document:
    """Changed fields of a `Proposal` under the names and types of the document."""
    stored = dict(facts)
    if "votes" in stored:
        stored |= votes_fields(stored.pop("votes"))
    if "execution_signature" in stored:
        stored["execution_tx_hash"] = stored.pop("execution_signature")
    if (execution := stored.get("execution")) is not None:
        stored["execution"] = execution_document(execution)
    return stored
