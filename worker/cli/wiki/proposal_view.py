"""The layout of proposals, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from worker.cli.console import emit, escaped, facts, moment_text, table
from worker.core.money import tokens_text
from worker.core.wiki.governance import Proposal, ProposalType


def show_one(proposal: Proposal, *, as_json: bool) -> None:
    """Print a proposal in detail."""
    emit(document_of(proposal), as_json=as_json, render=lambda c: _render_one(c, proposal))


def show_all(proposals: Sequence[Proposal], *, as_json: bool) -> None:
    """Print proposals as a table."""
    documents = {"proposals": [document_of(each) for each in proposals]}
    emit(documents, as_json=as_json, render=lambda c: _render_all(c, proposals))


def document_of(proposal: Proposal) -> dict[str, Any]:
    votes = proposal.votes
    return {
        "id": proposal.id,
        "title": proposal.title,
        "description": proposal.description,
        "proposer": proposal.proposer_id,
        "type": proposal.type,
        "parameters": dict(proposal.parameters),
        "status": proposal.status,
        "voting_start": proposal.voting_start,
        "voting_end": proposal.voting_end,
        "votes_for_base_units": votes.in_favour,
        "votes_against_base_units": votes.against,
        "votes_abstain_base_units": votes.abstaining,
        "total_base_units": votes.total,
        "quorum_base_units": proposal.quorum,
        "execution": proposal.execution,
        "execution_tx_hash": proposal.execution_signature,
        "reason": proposal.reason,
        "created_at": proposal.created_at,
        "updated_at": proposal.updated_at,
    }


def _render_one(console: Console, proposal: Proposal) -> None:
    votes, done = proposal.votes, proposal.execution
    start, end = moment_text(proposal.voting_start), moment_text(proposal.voting_end)
    console.print(f"[bold]{escaped(proposal.title)}[/]  {proposal.status.value}")
    rows = {
        "id": proposal.id,
        "change": _change(proposal),
        "vote": f"{start} to {end}",
        "for": tokens_text(votes.in_favour),
        "against": tokens_text(votes.against),
        "abstain": tokens_text(votes.abstaining),
        "quorum": f"{tokens_text(votes.total)} of {tokens_text(proposal.quorum)}",
        "executed": done and f"{done.old} became {done.new}, {moment_text(done.at)}",
        "transaction": proposal.execution_signature,
        "reason": proposal.reason,
    }
    console.print(facts(rows))


def _render_all(console: Console, proposals: Sequence[Proposal]) -> None:
    if not proposals:
        console.print("No proposals.")
        return
    made = table(
        *("proposal", "title", "change", "status", ">for", ">against", ">abstain", ">quorum"),
        "until",
    )
    for proposal in proposals:
        votes = proposal.votes
        made.add_row(
            proposal.id,
            escaped(proposal.title),
            escaped(_change(proposal)),
            proposal.status.value,
            tokens_text(votes.in_favour),
            tokens_text(votes.against),
            tokens_text(votes.abstaining),
            tokens_text(proposal.quorum),
            moment_text(proposal.voting_end),
        )
    console.print(made)


def _change(proposal: Proposal) -> str:
    if proposal.type is not ProposalType.PARAMETER_CHANGE:
        return proposal.type.value
    names = ("parameter_name", "current_value", "proposed_value")
    name, current, proposed = (proposal.parameters.get(each) for each in names)
    return f"{name}: {current} -> {proposed}"
