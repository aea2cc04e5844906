"""Stored proposals, votes and stakes, for checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bson import Int64

from worker.adapters.mongo import names
from worker.adapters.mongo.base import CHUNK_IDS, STREAM_BATCH, MongoPart
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.wiki.governance import CHANGES
from worker.adapters.mongo.wiki.proposal_documents import proposal_of
from worker.adapters.mongo.wiki.staking_records import stake_of
from worker.core.chunks import chunks
from worker.core.plan.rules import CONFIG_ID
from worker.ports.check import StoredProposal, StoredStake


class MongoGovernanceRecords(MongoPart):
    """Implements the part of `worker.ports.check.CheckStore` about proposals and stakes."""

    def stored_proposals(self) -> Iterator[StoredProposal]:
        found = self.database[names.GOVERNANCE_PROPOSALS].find({}, batch_size=STREAM_BATCH)
        yield from map(stored_proposal_of, found)

    def votes_cast(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        yield from self._of_proposal(names.GOVERNANCE_VOTES, proposal_id)

    def snapshot(self, proposal_id: str) -> Iterator[Mapping[str, object]]:
        yield from self._of_proposal(names.GOVERNANCE_SNAPSHOTS, proposal_id)

    def powers(self, proposal_id: str, user_ids: Sequence[str]) -> dict[str, Mapping[str, object]]:
        snapshots = self.database[names.GOVERNANCE_SNAPSHOTS]
        stored: dict[str, Mapping[str, object]] = {}
        for chunk in chunks(user_ids, CHUNK_IDS):
            selected = {"proposal_id": proposal_id, "user_id": {"$in": chunk}}
            for document in snapshots.find(selected):
                stored[str(document["user_id"])] = plain_numbers(document)
        return stored

    def voted_on(self) -> set[str]:
        by_proposal = [{"$group": {"_id": "$proposal_id"}}]
        return {
            str(document["_id"])
            for name in (names.GOVERNANCE_VOTES, names.GOVERNANCE_SNAPSHOTS)
            for document in self.database[name].aggregate(by_proposal)
        }

    def recorded_changes(self) -> list[Mapping[str, object]]:
        return changes_of(self.config.find_one({"_id": CONFIG_ID}, {CHANGES: 1}) or {})

    def stored_stakes(self) -> Iterator[StoredStake]:
        for document in self.stakes.find({}, batch_size=STREAM_BATCH):
            if (record := stake_of(document)) is not None:
                yield StoredStake(record, plain_numbers(document))

    def _of_proposal(self, collection: str, proposal_id: str) -> Iterator[Mapping[str, object]]:
        selected = {"proposal_id": proposal_id}
        for document in self.database[collection].find(selected, batch_size=STREAM_BATCH):
            yield plain_numbers(document)


def stored_proposal_of(document: Document) -> StoredProposal:
    return StoredProposal(str(document["_id"]), proposal_of(document), plain_numbers(document))


def changes_of(config: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The list of changes. An empty mapping stands for a malformed change."""
    changes = config.get(CHANGES) or []
    listed = changes if isinstance(changes, list) else [changes]
    return [each if isinstance(each, Mapping) else {} for each in listed]


def plain_numbers(document: Document) -> Document:
    return {k: int(v) if isinstance(v, Int64) else v for k, v in document.items()}
