"""Proposals, votes, snapshots of voting power, and changes of the configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, by_id, insert_missing, integer_sum
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.wiki.proposal_documents import (
    NO_SIGNATURE,
    execution_document,
    execution_of,
    is_change_of,
    power_document,
    proposal_document,
    proposal_of,
    stored_facts,
    taken_over_fields,
    tallies_of,
    vote_fields,
    vote_of,
    votes_fields,
)
from worker.core.chunks import chunks
from worker.core.money import BaseUnits
from worker.core.plan.rules import CONFIG_ID
from worker.core.wiki.governance import (
    Choice,
    ExecutedChange,
    Proposal,
    ProposalStatus,
    Vote,
    Votes,
)

CHANGES = "governance_changes"
"""Field of the configuration document: all changes by votes, in order."""

CHUNK_POWERS = 5000


class MongoGovernance(MongoPart):
    """Implements `worker.ports.wiki.GovernanceStore`."""

    def __init__(self, database: Mongo) -> None:
        super().__init__(database)
        self._proposals = database[names.GOVERNANCE_PROPOSALS]
        self._votes = database[names.GOVERNANCE_VOTES]
        self._snapshots = database[names.GOVERNANCE_SNAPSHOTS]

    # --- proposals ------------------------------------------------------------------------------

    def add_proposal(self, proposal: Proposal) -> Proposal:
        added = replace(proposal, id=str(ObjectId()))
        self._proposals.insert_one(proposal_document(added))
        return added

    def proposal(self, proposal_id: str) -> Proposal | None:
        document = self._proposals.find_one(by_id(proposal_id))
        return None if document is None else proposal_of(document)

    def proposals(self, statuses: Collection[ProposalStatus]) -> list[Proposal]:
        selected = {"status": {"$in": [status.value for status in statuses]}}
        found = self._proposals.find(selected).sort([("created_at", 1), ("_id", 1)])
        return [p for p in map(proposal_of, found) if p is not None]

    def move(
        self, proposal_id: str, current: ProposalStatus, wanted: ProposalStatus, **facts: Any
    ) -> bool:
        selected = {**_unexecuted(proposal_id), "status": current.value}
        changed = {"status": wanted.value, **stored_facts(facts)}
        return self._proposals.update_one(selected, {"$set": changed}).matched_count == 1

    def note(self, proposal_id: str, reason: str, now: datetime) -> None:
        selected = {**_unexecuted(proposal_id), "status": ProposalStatus.PASSED.value}
        self._proposals.update_one(selected, {"$set": {"reason": reason, "updated_at": now}})

    # --- voting ---------------------------------------------------------------------------------

    def add_power(self, proposal_id: str, powers: Mapping[str, BaseUnits]) -> None:
        for chunk in chunks(sorted(powers), CHUNK_POWERS):
            documents = [power_document(proposal_id, each, powers[each]) for each in chunk]
            insert_missing(self._snapshots, documents)

    def power(self, proposal_id: str, user_id: str) -> BaseUnits:
        found = self._snapshots.find_one({"proposal_id": proposal_id, "user_id": user_id})
        return BaseUnits(int(found["power_base_units"]) if found else 0)

    def cast(self, vote: Vote) -> None:
        selected = {"proposal_id": vote.proposal_id, "user_id": vote.user_id}
        update = {"$set": vote_fields(vote), "$setOnInsert": {"created_at": vote.cast_at}}
        with contextlib.suppress(DuplicateKeyError):
            self._votes.update_one(selected, update, upsert=True)
            return
        # Another request of this user inserted a vote in between, so a second update finds that
        # vote.
        self._votes.update_one(selected, update)

    def vote(self, proposal_id: str, user_id: str) -> Vote | None:
        found = self._votes.find_one({"proposal_id": proposal_id, "user_id": user_id})
        return None if found is None else vote_of(found)

    def keep_opening(self, proposal_id: str) -> None:
        document = self._proposals.find_one(by_id(proposal_id))
        known = None if document is None else proposal_of(document)
        if document is None or known is None or known.opening is not None:
            return
        exact = taken_over_fields(known.votes)
        untaken = {name: {"$exists": False} for name in exact}
        selected = {**_unexecuted(proposal_id), **tallies_of(document), **untaken}
        self._proposals.update_one(selected, {"$set": exact})

    def count_votes(self, proposal_id: str) -> Votes:
        group = {"_id": "$choice", "weight": {"$sum": "$weight_base_units"}}
        stages: list[Document] = [{"$match": {"proposal_id": proposal_id}}, {"$group": group}]
        sums = {d["_id"]: integer_sum("votes", d["weight"]) for d in self._votes.aggregate(stages)}
        return Votes(*(BaseUnits(sums.get(choice.value, 0)) for choice in Choice))

    def write_votes(self, proposal_id: str, votes: Votes, now: datetime) -> None:
        selected = {**_unexecuted(proposal_id), "status": ProposalStatus.ACTIVE.value}
        update = {"$set": {**votes_fields(votes), "updated_at": now}}
        self._proposals.update_one(selected, update)

    # --- changes --------------------------------------------------------------------------------

    def apply_change(
        self,
        proposal_id: str,
        path: tuple[str, ...],
        execution: ExecutedChange,
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

    def change_of(self, proposal_id: str) -> ExecutedChange | None:
        document = self.config.find_one({"_id": CONFIG_ID}, {CHANGES: 1}) or {}
        changes = document.get(CHANGES) or []
        return next((execution_of(c) for c in changes if is_change_of(c, proposal_id)), None)


def _unexecuted(proposal_id: str) -> Document:
    """Selects a proposal that no transaction executed: others are never changed."""
    return {**by_id(proposal_id), "execution_tx_hash": {"$in": list(NO_SIGNATURE)}}
