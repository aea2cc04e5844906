"""Proposals, votes, snapshots of voting power, and changes of the configuration."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, chunks, integer_sum, raise_unless_duplicates
from worker.adapters.mongo.connection import Document, Mongo, reaching
from worker.adapters.mongo.payout.stakes import rounded_down
from worker.adapters.mongo.wiki.ingest import stored_id
from worker.core.errors import KontribError
from worker.core.money import BaseUnits, tokens_float
from worker.core.plan.rules import CONFIG_ID
from worker.core.wiki.governance import (
    Choice,
    Execution,
    Proposal,
    ProposalStatus,
    ProposalType,
    Vote,
    Votes,
)

CHANGES = "governance_changes"
"""Field of the configuration document: every change that a vote made, in order."""

CHUNK_POWERS = 5000
_VOTE_FIELDS = {
    "votes_for": "in_favour",
    "votes_against": "against",
    "votes_abstain": "abstaining",
    "total_voting_power": "total",
}
_log = logging.getLogger(__name__)


class MongoGovernance(MongoPart):
    """Implements `worker.ports.wiki.GovernanceStore`."""

    def __init__(self, database: Mongo) -> None:
        super().__init__(database)
        self._proposals = database[names.GOVERNANCE_PROPOSALS]
        self._votes = database[names.GOVERNANCE_VOTES]
        self._snapshots = database[names.GOVERNANCE_SNAPSHOTS]

    # --- proposals ------------------------------------------------------------------------------

    @reaching
    def add_proposal(self, proposal: Proposal) -> Proposal:
        added = replace(proposal, id=str(ObjectId()))
        self._proposals.insert_one(proposal_document(added))
        return added

    @reaching
    def proposal(self, proposal_id: str) -> Proposal | None:
        document = self._proposals.find_one(_one(proposal_id))
        return None if document is None else proposal_of(document)

    @reaching
    def proposals(self, statuses: Collection[ProposalStatus]) -> list[Proposal]:
        selected = {"status": {"$in": [status.value for status in statuses]}}
        found = self._proposals.find(selected).sort([("created_at", 1), ("_id", 1)])
        return [p for p in map(proposal_of, found) if p is not None]

    @reaching
    def move(
        self, proposal_id: str, current: ProposalStatus, wanted: ProposalStatus, **facts: Any
    ) -> bool:
        selected = {**_one(proposal_id), "status": current.value}
        changed = {"status": wanted.value, **_stored_facts(facts)}
        return self._proposals.update_one(selected, {"$set": changed}).matched_count == 1

    @reaching
    def note(self, proposal_id: str, reason: str, now: datetime) -> None:
        selected = {**_one(proposal_id), "status": ProposalStatus.PASSED.value}
        self._proposals.update_one(selected, {"$set": {"reason": reason, "updated_at": now}})

    # --- voting ---------------------------------------------------------------------------------

    @reaching
    def add_power(self, proposal_id: str, powers: Mapping[str, BaseUnits]) -> None:
        for chunk in chunks(sorted(powers), CHUNK_POWERS):
            documents = [power_document(proposal_id, each, powers[each]) for each in chunk]
            try:
                self._snapshots.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                raise_unless_duplicates(error)

    @reaching
    def power(self, proposal_id: str, user_id: str) -> BaseUnits:
        found = self._snapshots.find_one({"proposal_id": proposal_id, "user_id": user_id})
        return BaseUnits(int(found["power_base_units"]) if found else 0)

    @reaching
    def cast(self, vote: Vote) -> None:
        selected = {"proposal_id": vote.proposal_id, "user_id": vote.user_id}
        update = {"$set": vote_fields(vote), "$setOnInsert": {"created_at": vote.cast_at}}
        with contextlib.suppress(DuplicateKeyError):
            self._votes.update_one(selected, update, upsert=True)
            return
        # The same user voted twice at once, and both found nothing: now there is a vote to change.
        self._votes.update_one(selected, update)

    @reaching
    def vote(self, proposal_id: str, user_id: str) -> Vote | None:
        found = self._votes.find_one({"proposal_id": proposal_id, "user_id": user_id})
        return None if found is None else vote_of(found)

    @reaching
    def count_votes(self, proposal_id: str) -> Votes:
        group = {"_id": "$choice", "weight": {"$sum": "$weight_base_units"}}
        stages: list[Document] = [{"$match": {"proposal_id": proposal_id}}, {"$group": group}]
        sums = {d["_id"]: integer_sum("votes", d["weight"]) for d in self._votes.aggregate(stages)}
        return Votes(*(BaseUnits(sums.get(choice.value, 0)) for choice in Choice))

    @reaching
    def write_votes(self, proposal_id: str, votes: Votes, now: datetime) -> None:
        selected = {**_one(proposal_id), "status": ProposalStatus.ACTIVE.value}
        update = {"$set": {**votes_fields(votes), "updated_at": now}}
        self._proposals.update_one(selected, update)

    # --- changes --------------------------------------------------------------------------------

    @reaching
    def apply_change(
        self,
        proposal_id: str,
        path: tuple[str, ...],
        execution: Execution,
        *,
        expected: Mapping[str, Any],
    ) -> bool:
        selected = {
            "_id": CONFIG_ID,
            path[0]: expected.get(path[0], {"$exists": False}),
            f"{CHANGES}.proposal_id": {"$ne": proposal_id},
        }
        update = {
            "$set": {".".join(path): execution.new, "updated_at": execution.at},
            "$push": {CHANGES: {"proposal_id": proposal_id, **execution_document(execution)}},
        }
        return self.config.update_one(selected, update).matched_count == 1

    @reaching
    def change_of(self, proposal_id: str) -> Execution | None:
        document = self.config.find_one({"_id": CONFIG_ID}, {CHANGES: 1}) or {}
        changes = document.get(CHANGES) or []
        return next((execution_of(c) for c in changes if is_change_of(c, proposal_id)), None)


# --- documents ---------------------------------------------------------------------------------


def proposal_document(proposal: Proposal) -> Document:
    """The owner's fields, each amount with its exact twin, then ours."""
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
        "quorum_required": tokens_float(proposal.quorum),
        "quorum_required_base_units": Int64(proposal.quorum),
        "status": proposal.status.value,
        "execution_tx_hash": proposal.execution_signature,
        "execution": None if execution is None else execution_document(execution),
        "reason": proposal.reason,
        "created_at": proposal.created_at,
        "updated_at": proposal.updated_at,
    }


def proposal_of(document: Document) -> Proposal | None:
    """A proposal, as far as it can be read; the wiki may have written it by itself."""
    try:
        return _read(document)
    except (KontribError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        _log.warning("Proposal %s is left out: %s", document.get("_id"), error)
        return None


def _read(document: Document) -> Proposal:
    execution, parameters = document.get("execution"), document.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise TypeError("parameters is not an object")
    counted = {ours: _amount(document, theirs) for theirs, ours in _VOTE_FIELDS.items()}
    del counted["total"]
    return Proposal(
        id=str(document["_id"]),
        title=_text(document, "title"),
        description=_text(document, "description") if document.get("description") else "",
        proposer_id=str(document["proposer_id"]),
        type=ProposalType(document["proposal_type"]),
        parameters=parameters,
        voting_start=_moment(document, "voting_start"),
        voting_end=_moment(document, "voting_end"),
        quorum=_amount(document, "quorum_required"),
        created_at=_moment(document, "created_at"),
        updated_at=_moment(document, "updated_at" if document.get("updated_at") else "created_at"),
        votes=Votes(**counted),
        status=ProposalStatus(document["status"]),
        execution=execution_of(execution) if execution else None,
        execution_signature=document.get("execution_tx_hash"),
        reason=document.get("reason"),
    )


def votes_fields(votes: Votes) -> Document:
    amounts = {theirs: getattr(votes, ours) for theirs, ours in _VOTE_FIELDS.items()}
    exact = {f"{name}_base_units": Int64(amount) for name, amount in amounts.items()}
    return {**{name: tokens_float(amount) for name, amount in amounts.items()}, **exact}


def vote_fields(vote: Vote) -> Document:
    """What a vote says, and what may change until the end."""
    return {
        "choice": vote.choice.value,
        "weight": tokens_float(vote.weight),
        "weight_base_units": Int64(vote.weight),
        "cast_at": vote.cast_at,
    }


def vote_of(document: Document) -> Vote:
    return Vote(
        document["proposal_id"],
        document["user_id"],
        Choice(document["choice"]),
        BaseUnits(int(document["weight_base_units"])),
        document["cast_at"],
    )


def power_document(proposal_id: str, user_id: str, power: BaseUnits) -> Document:
    return {
        "proposal_id": proposal_id,
        "user_id": user_id,
        "power": tokens_float(power),
        "power_base_units": Int64(power),
    }


def execution_document(execution: Execution) -> Document:
    return {
        "parameter": execution.parameter,
        "old": execution.old,
        "new": execution.new,
        "proposer_id": execution.proposer_id,
        "at": execution.at,
    }


def execution_of(document: Mapping[str, Any]) -> Execution:
    if not isinstance(document, Mapping):
        raise TypeError("the execution is not an object")
    facts = ("parameter", "old", "new", "proposer_id", "at")
    return Execution(**{name: document[name] for name in facts})


def is_change_of(change: object, proposal_id: str) -> bool:
    return isinstance(change, Mapping) and change.get("proposal_id") == proposal_id


def _stored_facts(facts: Mapping[str, Any]) -> Document:
    """Fields of `Proposal` as they are stored."""
    stored: Document = {}
    for name, value in facts.items():
        if name == "votes":
            stored |= votes_fields(value)
        elif name == "execution":
            stored[name] = None if value is None else execution_document(value)
        elif name == "execution_signature":
            stored["execution_tx_hash"] = value
        else:
            stored[name] = value
    return stored


def _text(document: Document, name: str) -> str:
    if not isinstance(value := document[name], str):
        raise TypeError(f"{name} is not text")
    return value


def _moment(document: Document, name: str) -> datetime:
    if not isinstance(value := document[name], datetime):
        raise TypeError(f"{name} is not a date")
    return value


def _amount(document: Document, name: str) -> BaseUnits:
    """The exact field, or what can be read from the owner's float."""
    exact = document.get(f"{name}_base_units")
    return rounded_down(document.get(name, 0)) if exact is None else BaseUnits(int(exact))


def _one(proposal_id: str) -> Document:
    return {"_id": {"$in": [stored_id(proposal_id), proposal_id]}}
