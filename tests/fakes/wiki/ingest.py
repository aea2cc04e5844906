"""The in-memory twin of `MongoIngestStore`, over the state of a `FakeStore`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from tests.fakes.store.state import as_stored
from tests.fakes.store.store import FakeStore
from worker.adapters.mongo.base import stored_id
from worker.adapters.mongo.wiki.ingest import contribution_document, user_document
from worker.core.wiki.contribution_file import Contribution, Stored


class FakeIngestStore:
    """Implements `worker.services.wiki.ingest.IngestStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.chunks = 0
        self.dies_after_chunks: int | None = None
        """Raises `Killed` after this many chunks of contributions."""

    def add_contributions(self, contributions: Sequence[Contribution]) -> Stored:
        if self.chunks == self.dies_after_chunks:
            raise Killed
        self.chunks += 1
        stored = self._store.state.contributions
        added: set[str] = set()
        for contribution in contributions:
            key = stored_id(contribution.id)
            if key not in stored:
                stored[key] = as_stored(contribution_document(contribution))
                added.add(contribution.id)
        return Stored(added)

    def add_users(self, user_ids: Sequence[str]) -> int:
        users = self._store.state.users
        new = [user_id for user_id in user_ids if stored_id(user_id) not in users]
        for user_id in new:
            users[stored_id(user_id)] = user_document(user_id, datetime(2024, 1, 1, tzinfo=UTC))
        return len(new)

    def give_wallets(self, wallets: Mapping[str, str]) -> int:
        users, given = self._store.state.users, 0
        for user_id, wallet in wallets.items():
            key = stored_id(user_id) if stored_id(user_id) in users else user_id
            if key in users and not users[key].get("wallet_address"):
                users[key] = users[key] | {"wallet_address": wallet}
                given += 1
        return given


class Killed(BaseException):
    """The process was killed at this point."""


def record(**changes: object) -> dict[str, object]:
    """One contribution in a file's format: the owner's example, worth 540 points."""
    values: dict[str, object] = {
        "user_id": "507f1f77bcf86cd799439011",
        "article_id": "507f1f77bcf86cd799439012",
        "type": "creation",
        "quality_multiplier": 2.5,
        "reputation_multiplier": 1.2,
        "demand_multiplier": 1.8,
        "description": "Created comprehensive DeFi guide with examples",
        "metadata": {"word_count": 2500},
        "created_at": "2024-12-15T14:20:00Z",
    }
    return {name: value for name, value in (values | changes).items() if value is not ...}


def json_lines(records: Iterable[Mapping[str, object]]) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in records]
