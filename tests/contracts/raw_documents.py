"""Documents written past every check and validator."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from tests.contracts.store_worlds import FakeStoreWorld, MongoStoreWorld
from tests.contracts.wiki.wiki_worlds import WikiWorld
from tests.fakes.store.state import as_stored
from tests.fakes.store.store import FakeStore
from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Mongo

Document = dict[str, Any]


class RawDocuments:
    """The collections of a world, in memory or real, without validators."""

    def __init__(self, world: WikiWorld) -> None:
        self._fake: FakeStore | None = None
        self._database: Mongo | None = None
        if isinstance(world.base, FakeStoreWorld):
            self._fake = world.base.fake
        else:
            assert isinstance(world.base, MongoStoreWorld)
            self._database = world.base.database

    def add(self, collection: str, document: Document) -> None:
        if self._database is not None:
            self._database[collection].insert_one(document, bypass_document_validation=True)
            return
        key: Any = document.get("_id", ObjectId())
        if collection == names.GOVERNANCE_PROPOSALS:
            key = str(key)
        elif collection in (names.GOVERNANCE_VOTES, names.GOVERNANCE_SNAPSHOTS):
            key = (document["proposal_id"], document["user_id"])
        self._table(collection)[key] = as_stored(document)

    def change(self, collection: str, selected: Document, **fields: Any) -> None:
        """Set fields of the only document with these values."""
        if self._database is not None:
            result = self._database[collection].update_many(
                selected, {"$set": fields}, bypass_document_validation=True
            )
            assert result.matched_count == 1
            return
        table, key = self._table(collection), self._one(collection, selected)
        table[key] = table[key] | as_stored(fields)

    def remove(self, collection: str, selected: Document) -> None:
        """Delete the only document with these values."""
        if self._database is not None:
            assert self._database[collection].delete_many(selected).deleted_count == 1
            return
        del self._table(collection)[self._one(collection, selected)]

    def find(self, collection: str, document_id: object) -> Document:
        """A document as it is stored."""
        if self._database is not None:
            found = self._database[collection].find_one({"_id": document_id})
            assert found is not None
            return found
        return next(d for d in self._table(collection).values() if d.get("_id") == document_id)

    def _one(self, collection: str, selected: Document) -> Any:
        table = self._table(collection)
        [key] = [k for k, d in table.items() if all(d.get(n) == v for n, v in selected.items())]
        return key

    def _table(self, collection: str) -> dict[Any, Document]:
        assert self._fake is not None
        state = self._fake.state
        tables: dict[str, Any] = {
            names.GOVERNANCE_PROPOSALS: state.proposals,
            names.GOVERNANCE_VOTES: state.votes,
            names.GOVERNANCE_SNAPSHOTS: state.snapshots,
            names.STAKING_RECORDS: state.stakes,
            names.USERS: state.users,
        }
        found: dict[Any, Document] = tables[collection]
        return found
