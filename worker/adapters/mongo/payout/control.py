"""Switches, heartbeats, counts and figures, as documents of `system_config`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import Int64
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo.base import MongoPart

CONTROL_ID = "control"
COUNT_PREFIX, HEARTBEAT_PREFIX = "count/", "heartbeat/"
MARK_PREFIX, FIGURES_PREFIX = "mark/", "figures/"


class MongoControl(MongoPart):
    """Implements `worker.ports.payout.ControlStore`."""

    def paused(self) -> str | None:
        document = self.config.find_one({"_id": CONTROL_ID}) or {}
        return document.get("paused")

    def pause(self, reason: str | None) -> None:
        self.config.update_one({"_id": CONTROL_ID}, {"$set": {"paused": reason}}, upsert=True)

    def beat(self, name: str, now: datetime) -> None:
        self.config.update_one({"_id": HEARTBEAT_PREFIX + name}, {"$set": {"at": now}}, upsert=True)

    def last_beat(self, name: str) -> datetime | None:
        document = self.config.find_one({"_id": HEARTBEAT_PREFIX + name}) or {}
        return document.get("at")

    def add_counts(self, counts: Mapping[str, int]) -> None:
        # Each count has its own document: its name may hold characters that a field's name may not.
        updates = [
            UpdateOne({"_id": COUNT_PREFIX + name}, {"$inc": {"count": Int64(count)}}, upsert=True)
            for name, count in counts.items()
            if count
        ]
        if updates:
            self.config.bulk_write(updates, ordered=False)

    def counts(self) -> dict[str, int]:
        found = self.config.find({"_id": {"$regex": f"^{COUNT_PREFIX}"}})
        return {str(d["_id"]).removeprefix(COUNT_PREFIX): int(d["count"]) for d in found}

    def mark(self, name: str, now: datetime) -> bool:
        try:
            self.config.insert_one({"_id": MARK_PREFIX + name, "at": now})
        except DuplicateKeyError:
            return False
        return True

    def marked_at(self, name: str) -> datetime | None:
        document = self.config.find_one({"_id": MARK_PREFIX + name}) or {}
        return document.get("at")

    def unmark(self, name: str) -> None:
        self.config.delete_one({"_id": MARK_PREFIX + name})

    def record_figures(self, name: str, figures: Mapping[str, Any]) -> None:
        self.config.replace_one({"_id": FIGURES_PREFIX + name}, dict(figures), upsert=True)

    def figures(self, name: str) -> Mapping[str, Any]:
        return self.config.find_one({"_id": FIGURES_PREFIX + name}, {"_id": 0}) or {}
