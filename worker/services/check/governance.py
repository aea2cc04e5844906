"""Compares proposals with their votes, and recorded changes with their proposals.

The check takes a vote's subject and end from the proposal itself. So it cannot find a proposal that
was rewritten together with all its votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.money import (
    MalformedAmount,
    exact_decimal,
    is_amount_of,
    tokens_float,
    tokens_text,
)
from worker.core.wiki.governance import (
    NO_VOTES,
    Proposal,
    ProposalStatus,
    ProposalType,
    Votes,
    outcome,
)
from worker.core.wiki.parameters import ALIASES, value_at
from worker.ports.check import CheckStore, StoredProposal
from worker.services.check.votes import check_snapshot, check_votes
from worker.services.wiki_context import WikiContext

OVERDUE = timedelta(days=2)
"""The sweeper opens and closes votes within minutes. A longer delay is a fault."""
READS = 3
"""A new vote can change the sums during a reading, so sums that differ are read again."""

_SUMS = {
    "votes_for": "in_favour",
    "votes_against": "against",
    "votes_abstain": "abstaining",
    "total_voting_power": "total",
}
_S = ProposalStatus
_DECIDED = frozenset({_S.PASSED, _S.REJECTED, _S.EXECUTED})
_CHANGED = frozenset({_S.PASSED, _S.EXECUTED})
"""A change is made just before its proposal is marked as executed."""


def check_governance(wiki: WikiContext, store: CheckStore, report: CheckReport) -> None:
    """Check every proposal with its votes, and every recorded change."""
    known: dict[str, StoredProposal] = {}
    for stored in store.stored_proposals():
        report.looked_at["proposals"] += 1
        known[stored.id] = stored
        if stored.proposal is None:
            _add(report, stored.id, "not readable", "opened, counted and decided")
            continue
        _note_tallies(stored.proposal, report)
        if _is_ours(stored):
            with report.continue_after_errors(Area.GOVERNANCE, f"proposal {stored.id}"):
                _check_floats(stored.id, stored.fields, report)
                _check_sums(wiki, stored.proposal, report)
                _check_status(stored.proposal, wiki.now(), report)
                check_votes(store, stored.proposal, report)
                check_snapshot(wiki, store, stored.proposal, report)
    for proposal_id in sorted(store.voted_on() - set(known)):
        _add(report, proposal_id, "missing", "there: votes or voting power belong to it")
    _check_changes(wiki, store, known, report)


def _is_ours(stored: StoredProposal) -> bool:
    """Whether this program counted the votes. The wiki decided earlier proposals by itself."""
    return any(f"{name}_base_units" in stored.fields for name in _SUMS)


def _note_tallies(proposal: Proposal, report: CheckReport) -> None:
    """Tallies of an open or taken-over vote that no recorded vote explains."""
    is_open = proposal.status in (_S.DRAFT, _S.ACTIVE)
    base = proposal.votes if proposal.opening is None and is_open else proposal.opening
    if base is None or base == NO_VOTES or proposal.execution_signature is not None:
        return
    tallies = {"for": base.in_favour, "against": base.against, "abstaining": base.abstaining}
    found = ", ".join(f"{tokens_text(amount)} {name}" for name, amount in tallies.items())
    counts_as = "the base that later votes add to"
    report.note_from_before(
        Area.GOVERNANCE, f"proposal {proposal.id}, tallies without votes", found, counts_as
    )


# --- a proposal by itself ----------------------------------------------------------------------


def _check_floats(proposal_id: str, fields: Mapping[str, object], report: CheckReport) -> None:
    """Compare the owner's floats with their integers, and the total with its parts."""
    for name in (*_SUMS, "quorum_required"):
        exact = fields.get(f"{name}_base_units")
        if isinstance(exact, int) and not is_amount_of(fields.get(name), exact):
            _add(report, f"{proposal_id}, {name}", fields.get(name), tokens_float(exact))
    parts = [fields.get(f"{name}_base_units") for name in _SUMS if name != "total_voting_power"]
    total = fields.get("total_voting_power_base_units")
    sums = [part for part in parts if isinstance(part, int)]
    if len(sums) == len(parts) and total != sum(sums):
        _add(report, f"{proposal_id}, total_voting_power_base_units", total, sum(sums))


def _check_sums(wiki: WikiContext, proposal: Proposal, report: CheckReport) -> None:
    current, counted = proposal, Votes()
    for _ in range(READS):
        try:
            votes = wiki.governance.count_votes(proposal.id)
            counted = (proposal.opening or NO_VOTES) + votes
        except (NotReady, UsageError):
            raise  # a server did not answer, or the request was wrong: the sums are unknown
        except KontribError as error:
            _add(report, f"{proposal.id}, votes", error, "integers")
            return
        if current.votes == counted:
            return
        current = wiki.governance.proposal(proposal.id) or current
    for name, ours in _SUMS.items():
        found, expected = getattr(current.votes, ours), getattr(counted, ours)
        if found != expected and name != "total_voting_power":
            _add(report, f"{proposal.id}, {name}_base_units", found, f"{expected} by its votes")


def _check_status(proposal: Proposal, now: datetime, report: CheckReport) -> None:
    status, ended = proposal.status, f"{proposal.voting_end:%Y-%m-%d %H:%M}"
    if status in _DECIDED:
        decided = _S.REJECTED if status is _S.REJECTED else _S.PASSED
        by_votes = outcome(proposal.votes, proposal.quorum)
        if decided is not by_votes:
            _add(report, proposal.id, status.value, f"{by_votes.value} by its votes and quorum")
        if now < proposal.voting_end:
            _add(report, proposal.id, status.value, f"undecided until {ended}")
    elif status is _S.ACTIVE and now < proposal.voting_start:
        _add(report, proposal.id, "active before its vote begins", "draft")
    elif status is _S.ACTIVE and now - proposal.voting_end > OVERDUE:
        _add(report, proposal.id, f"active, though its vote ended {ended}", "passed or rejected")
    elif status is _S.DRAFT and now - proposal.voting_start > OVERDUE:
        began = f"{proposal.voting_start:%Y-%m-%d %H:%M}"
        _add(report, proposal.id, f"draft, though its vote began {began}", "active or cancelled")


# --- changes by proposals ----------------------------------------------------------------------


def _check_changes(
    wiki: WikiContext, store: CheckStore, known: Mapping[str, StoredProposal], report: CheckReport
) -> None:
    """Check that each executed change has one record, that each record has its proposal, and that
    the newest change is in effect."""
    changes = store.recorded_changes()
    report.looked_at["changes"] += len(changes)
    for proposal_id, count in Counter(str(c.get("proposal_id")) for c in changes).items():
        proposal = known[proposal_id].proposal if proposal_id in known else None
        if proposal_id not in known:
            _add(report, proposal_id, "missing", "there: governance_changes holds its change")
        elif proposal is not None and proposal.status not in _CHANGED:
            _add(report, proposal_id, proposal.status.value, "executed: its change was made")
        if count > 1:
            _add(report, proposal_id, f"{count} times in governance_changes", "once")
    by_proposal = {str(change.get("proposal_id")): change for change in changes}
    for stored in known.values():
        _check_execution(stored, by_proposal.get(stored.id), report)
    _check_newest(wiki, changes, report)


def _check_execution(
    stored: StoredProposal, change: Mapping[str, object] | None, report: CheckReport
) -> None:
    if (proposal := stored.proposal) is None:
        return
    if change is not None and (why := _not_as_proposed(proposal, change)) is not None:
        _add(report, f"{proposal.id}, its change", *why)
    if proposal.status is not _S.EXECUTED or proposal.type is not ProposalType.PARAMETER_CHANGE:
        return
    if change is None and _is_ours(stored):
        _add(report, proposal.id, "executed", "with its change in governance_changes")
    if change is None:
        return
    execution = asdict(proposal.execution) if proposal.execution else {}
    if not execution or any(change.get(name) != value for name, value in execution.items()):
        _add(report, f"{proposal.id}, execution", proposal.execution, f"as recorded: {change}")


def _not_as_proposed(
    proposal: Proposal, change: Mapping[str, object]
) -> tuple[object, object] | None:
    """The change as recorded and as proposed, or None if both agree."""
    name, value = (proposal.parameters.get(k) for k in ("parameter_name", "proposed_value"))
    if proposal.type is not ProposalType.PARAMETER_CHANGE:
        return f"{change.get('parameter')} to {change.get('new')}", "none"
    is_same = (
        change.get("parameter") == ALIASES.get(str(name), name)
        and _is_same_value(change.get("new"), value)
        and change.get("proposer_id") == proposal.proposer_id
    )
    found = f"{change.get('parameter')} to {change.get('new')} by {change.get('proposer_id')}"
    return None if is_same else (found, f"{name} to {value} by {proposal.proposer_id}")


def _is_same_value(found: object, proposed: object) -> bool:
    """Compare numbers by value: the wiki may have written a number as text."""
    try:
        return found == proposed or exact_decimal(found) == exact_decimal(proposed)
    except MalformedAmount:
        return False


def _check_newest(
    wiki: WikiContext, changes: list[Mapping[str, object]], report: CheckReport
) -> None:
    """Compare the newest change with the configuration, unless `updated_at` is later.

    Older changes are not compared, because an operator may have changed their values since.
    """
    made = [(at, i) for i, c in enumerate(changes) if isinstance(at := c.get("at"), datetime)]
    document = wiki.store.rules_document() or {}
    updated_at = document.get("updated_at")
    if not made or not isinstance(updated_at, datetime):
        return
    at, last = max(made)
    newest = changes[last]
    name = str(newest.get("parameter"))
    found = value_at(document, tuple(name.split(".")))
    if updated_at <= at and found != newest.get("new"):
        expected = f"{newest.get('new')}, set by proposal {newest.get('proposal_id')}"
        report.add(Area.GOVERNANCE, f"system_config.{name}", found, expected)


def _add(report: CheckReport, what: str, found: object, expected: object) -> None:
    report.add(Area.GOVERNANCE, f"proposal {what}", found, expected)
