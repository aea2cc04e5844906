"""The in-memory twin of `MongoGovernanceRecords`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.fakes.store.store import FakeStore
from worker.adapters.mongo.check.governance import (
    changes_of,
    plain_numbers,
    stored_proposal_of,
)
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.plan.rules import CONFIG_ID
from worker.ports.check import StoredProposal, StoredStake


class FakeGovernanceRecords:
    """A part of `worker.ports.check.CheckStore` in memory."""

    _store: FakeStore

    def stored_proposals(self) -> Iterator[StoredProposal]:
        return map(stored_proposal_of, list(self._store.state.proposals.values()))

    def votes_cast(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        votes = list(self._store.state.votes.items())
        return (plain_numbers(vote) for (proposal, _), vote in votes if proposal == proposal_id)

    def snapshot(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        powers = list(self._store.state.snapshots.items())
        return (plain_numbers(power) for (proposal, _), power in powers if proposal == proposal_id)

    def powers(self, proposal_id: str, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        snapshots = self._store.state.snapshots
        there = [user_id for user_id in user_ids if (proposal_id, user_id) in snapshots]
        return {user_id: plain_numbers(snapshots[proposal_id, user_id]) for user_id in there}

    def voted_on(self) -> set[str]:
        state = self._store.state
        return {proposal_id for proposal_id, _ in (*state.votes, *state.snapshots)}

    def recorded_changes(self) -> list[Mapping[str, object]]:
        return changes_of(self._store.state.config.get(CONFIG_ID, {}))

    def stored_stakes(self) -> Iterator[StoredStake]:
        for key, document in list(self._store.state.stakes.items()):
            if (record := stake_of({"_id": key} | document)) is not None:
                yield StoredStake(record, plain_numbers(document))
