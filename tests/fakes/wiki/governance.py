"""The in-memory twin of `MongoGovernance`, over the state of a `FakeStore`."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from tests.fakes.store.state import Document, as_stored
from tests.fakes.store.store import FakeStore
from worker.adapters.mongo.wiki.governance import CHANGES
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
    vote_fields,
    vote_of,
    votes_fields,
)
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


class FakeGovernance:
    """Implements `worker.ports.wiki.GovernanceStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def add_proposal(self, proposal: Proposal) -> Proposal:
        added = replace(proposal, id=str(ObjectId()))
        self._put(added)
        return added

    def proposal(self, proposal_id: str) -> Proposal | None:
        document = self._store.state.proposals.get(proposal_id)
        return None if document is None else proposal_of(document)

    def proposals(self, statuses: Collection[ProposalStatus]) -> list[Proposal]:
        found = [p for p in map(proposal_of, self._store.state.proposals.values()) if p]
        wanted = [p for p in found if p.status in statuses]
        return sorted(wanted, key=lambda p: (p.created_at, p.id))

    def move(
        self, proposal_id: str, current: ProposalStatus, wanted: ProposalStatus, **facts: Any
    ) -> bool:
        if not self._is_unexecuted(proposal_id, current):
            return False
        self._change(proposal_id, {"status": wanted.value, **stored_facts(facts)})
        return True

    def note(self, proposal_id: str, reason: str, now: datetime) -> None:
        if self._is_unexecuted(proposal_id, ProposalStatus.PASSED):
            self._change(proposal_id, {"reason": reason, "updated_at": now})

    def add_power(self, proposal_id: str, powers: Mapping[str, BaseUnits]) -> None:
        for user_id, power in powers.items():
            document = as_stored(power_document(proposal_id, user_id, power))
            self._store.state.snapshots.setdefault((proposal_id, user_id), document)

    def power(self, proposal_id: str, user_id: str) -> BaseUnits:
        found = self._store.state.snapshots.get((proposal_id, user_id))
        return BaseUnits(int(found["power_base_units"]) if found else 0)

    def cast(self, vote: Vote) -> None:
        key = {"proposal_id": vote.proposal_id, "user_id": vote.user_id}
        self._store.state.votes[vote.proposal_id, vote.user_id] = as_stored(key | vote_fields(vote))

    def vote(self, proposal_id: str, user_id: str) -> Vote | None:
        found = self._store.state.votes.get((proposal_id, user_id))
        return None if found is None else vote_of(found)

    def keep_opening(self, proposal_id: str) -> None:
        known = self.proposal(proposal_id)
        if known is not None and known.opening is None and known.execution_signature is None:
            self._change(proposal_id, taken_over_fields(known.votes))

    def count_votes(self, proposal_id: str) -> Votes:
        votes = [d for (p, _), d in self._store.state.votes.items() if p == proposal_id]
        return Votes(
            *(
                BaseUnits(sum(v["weight_base_units"] for v in votes if v["choice"] == choice.value))
                for choice in Choice
            )
        )

    def write_votes(self, proposal_id: str, votes: Votes, now: datetime) -> None:
        if self._is_unexecuted(proposal_id, ProposalStatus.ACTIVE):
            self._change(proposal_id, {**votes_fields(votes), "updated_at": now})

    def apply_change(
        self,
        proposal_id: str,
        path: tuple[str, ...],
        execution: ExecutedChange,
        *,
        expected: Mapping[str, Any],
    ) -> bool:
        document = copy.deepcopy(self._store.state.config[CONFIG_ID])
        here = {path[0]: document[path[0]]} if path[0] in document else {}
        if here != expected or self.change_of(proposal_id) is not None:
            return False
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = execution.new
        change = {"proposal_id": proposal_id, **execution_document(execution)}
        changes = [*document.get(CHANGES, []), as_stored(change)]
        document |= {CHANGES: changes, "updated_at": execution.at}
        self._store.state.config[CONFIG_ID] = document
        return True

    def change_of(self, proposal_id: str) -> ExecutedChange | None:
        changes = self._store.state.config[CONFIG_ID].get(CHANGES, [])
        return next((execution_of(c) for c in changes if is_change_of(c, proposal_id)), None)

    def _is_unexecuted(self, proposal_id: str, status: ProposalStatus) -> bool:
        document = self._store.state.proposals.get(proposal_id, {})
        has_signature = document.get("execution_tx_hash") not in NO_SIGNATURE
        return document.get("status") == status.value and not has_signature

    def _change(self, proposal_id: str, fields: Document) -> None:
        proposals = self._store.state.proposals
        proposals[proposal_id] = proposals[proposal_id] | as_stored(fields)

    def _put(self, proposal: Proposal) -> None:
        self._store.state.proposals[proposal.id] = as_stored(proposal_document(proposal))
