"""The in-memory twin of `MongoContributions`, over the state of a `FakeStore`."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.store.state import as_stored
from tests.fakes.store.store import FakeStore
from tests.fakes.store.wiki_data import stored_forms
from worker.adapters.mongo.wiki.contribute import KEY, contribution_of, fresh_id, keyed_document
from worker.core.wiki.contribution_file import Contribution


class FakeContributions:
    """Implements `worker.ports.wiki.ContributionStore` in memory."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def article_demand(self, article_id: str) -> tuple[bool, object]:
        for form in stored_forms(article_id):
            if (document := self._store.state.articles.get(form)) is not None:
                return True, document.get("demand_score")
        return False, None

    def contribution_of_key(self, key: str) -> Contribution | None:
        documents = self._store.state.contributions.values()
        return next((contribution_of(d) for d in documents if d.get(KEY) == key), None)

    def record(self, contribution: Contribution, key: str | None) -> tuple[Contribution, bool]:
        known = None if key is None else self.contribution_of_key(key)
        if known is not None:
            return known, False
        recorded = replace(contribution, id=str(fresh_id(contribution.created_at)))
        document = as_stored(keyed_document(recorded, key))
        self._store.state.contributions[document["_id"]] = document
        return recorded, True
