"""Compares votes with the snapshot of voting power, and the snapshot with rewards and stakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from worker.core.check.report import Area, CheckReport
from worker.core.chunks import chunks
from worker.core.findings import value_text
from worker.core.money import tokens_float
from worker.core.wiki.governance import CLOSE_GRACE, Choice, Proposal, ProposalStatus
from worker.ports.check import CheckStore
from worker.services.wiki.governance import powers_at
from worker.services.wiki_context import WikiContext

CHUNK = 1000
RECENT = timedelta(days=35)
"""Snapshots of votes that ended earlier are skipped: each takes a pass over all users."""

_OPENED = frozenset(ProposalStatus) - {ProposalStatus.DRAFT, ProposalStatus.CANCELLED}
"""The states in which a snapshot is complete."""
_CHOICES = frozenset(choice.value for choice in Choice)

# --- votes -------------------------------------------------------------------------------------


def check_votes(store: CheckStore, proposal: Proposal, report: CheckReport) -> None:
    """Check each vote's choice, time, and weight in the snapshot."""
    for votes in chunks(store.votes_cast(proposal.id), CHUNK):
        report.looked_at["votes"] += len(votes)
        powers = store.powers(proposal.id, [str(vote.get("user_id")) for vote in votes])
        for vote in votes:
            user_id = str(vote.get("user_id"))
            power = powers.get(user_id, {}).get("power_base_units", 0)
            subject = f"proposal {proposal.id}, vote of {user_id}"
            for found, expected in _wrong_in(vote, power, proposal):
                report.add(Area.GOVERNANCE, subject, found, expected)


def _wrong_in(
    vote: Mapping[str, object], power: object, proposal: Proposal
) -> Iterator[tuple[str, str]]:
    weight, cast_at = vote.get("weight_base_units"), vote.get("cast_at")
    if str(vote.get("choice")) not in _CHOICES:
        yield f"{vote.get('choice')!r}", "for, against or abstain"
    if weight != power or not weight:
        yield f"a weight of {weight} base units", f"{power or 'none'}, as in the snapshot"
    elif vote.get("weight") != _float_of(weight):
        yield f"a weight of {vote.get('weight')}", f"{_float_of(weight)}"
    if not isinstance(cast_at, datetime) or not proposal.is_voting_time(cast_at):
        yield f"cast at {value_text(cast_at)}", "cast while the vote was open"


# --- snapshots ---------------------------------------------------------------------------------


def check_snapshot(
    wiki: WikiContext, store: CheckStore, proposal: Proposal, report: CheckReport
) -> None:
    """Compute everyone's power at the beginning of the vote again, and compare."""
    now = wiki.now()
    if now - proposal.voting_end > RECENT:
        return
    for entries in chunks(store.snapshot(proposal.id), CHUNK):
        found = {str(entry.get("user_id")): entry for entry in entries}
        report.looked_at["voting powers"] += len(found)
        if now < proposal.voting_start:
            for user_id in found:
                _add(report, proposal, user_id, "in the snapshot", "none before the vote begins")
            continue
        powers = {user_id: entry.get("power_base_units") for user_id, entry in found.items()}
        for user_id, exact in powers.items():
            if (power := found[user_id].get("power")) != _float_of(exact):
                _add(report, proposal, user_id, power, _float_of(exact))
        _compare(wiki, proposal, powers, report)
    for users in chunks(wiki.store.user_ids() if proposal.status in _OPENED else (), CHUNK):
        there = store.powers(proposal.id, users)
        _compare(wiki, proposal, {user_id: 0 for user_id in users if user_id not in there}, report)


def _compare(
    wiki: WikiContext, proposal: Proposal, stored: Mapping[str, object], report: CheckReport
) -> None:
    """Compare stored powers with the powers when the vote began. A payment or stake shortly before
    may have reached the database late, so any power since `CLOSE_GRACE` earlier is right, too."""
    began = proposal.voting_start
    powers = powers_at(wiki, list(stored), began)
    wrong = {u: found for u, found in stored.items() if found != powers.get(u, 0)}
    earlier = powers_at(wiki, list(wrong), began - CLOSE_GRACE) if wrong else {}
    for user_id, found in wrong.items():
        lowest, highest = sorted((powers.get(user_id, 0), earlier.get(user_id, 0)))
        if not isinstance(found, int) or not lowest <= found <= highest:
            expected = f"{powers.get(user_id, 0)} at {began:%Y-%m-%d %H:%M}"
            _add(report, proposal, user_id, f"{found} base units", expected)


def _add(
    report: CheckReport, proposal: Proposal, user_id: str, found: object, expected: object
) -> None:
    subject = f"proposal {proposal.id}, power of {user_id}"
    report.add(Area.GOVERNANCE, subject, found, expected)


def _float_of(exact: object) -> float | None:
    return tokens_float(exact) if isinstance(exact, int) else None
