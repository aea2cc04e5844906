"""Moves old distributions to the archive."""

from __future__ import annotations

from datetime import datetime

from worker.adapters.mongo.base import MongoPart
from worker.adapters.mongo.connection import Document
from worker.core.lifecycle import Stage, Status
from worker.core.week import Week

_COMPLETED: Document = {
    "$or": [
        {"stage": Stage.COMPLETED.value},
        # The wiki's own distributions have no stage.
        {"stage": None, "status": Status.COMPLETED.value},
    ]
}


class MongoRetention(MongoPart):
    """Implements `worker.ports.check.RetentionStore`."""

    def completed_before(self, moment: datetime) -> list[Week]:
        # The start has an index, and all weeks are equally long.
        started = {"$lt": Week.containing(moment).start}
        found = self.weeks.find({"week_start": started, **_COMPLETED}, {"week_start": 1})
        return [Week.containing(d["week_start"]) for d in found.sort("week_start", 1)]

    def archive_week(self, week: Week) -> None:
        wanted = {"week_start": week.start, **_COMPLETED}
        if (document := self.weeks.find_one(wanted)) is None:
            return
        self._keep(document)
        removed = self.weeks.find_one_and_delete({"_id": document["_id"], **_COMPLETED})
        # If another writer changed the document in between, the archive keeps the last version.
        if removed is not None and removed != document:
            self._keep(removed)

    def _keep(self, document: Document) -> None:
        selected = {"week_start": document["week_start"]}
        # A document older than the validator is moved unchanged.
        self.archive.replace_one(selected, document, upsert=True, bypass_document_validation=True)
