"""Switches and heartbeats, as documents of `system_config`."""

from __future__ import annotations

from datetime import datetime

from worker.adapters.mongo.base import MongoPart
from worker.adapters.mongo.connection import reaching

CONTROL_ID = "control"


def heartbeat_id(name: str) -> str:
    return f"heartbeat/{name}"


class MongoControl(MongoPart):
    """Implements `worker.ports.ControlStore`."""

    @reaching
    def paused(self) -> str | None:
        document = self.config.find_one({"_id": CONTROL_ID}) or {}
        return document.get("paused")

    @reaching
    def pause(self, reason: str | None) -> None:
        self.config.update_one({"_id": CONTROL_ID}, {"$set": {"paused": reason}}, upsert=True)

    @reaching
    def beat(self, name: str, now: datetime) -> None:
        self.config.update_one({"_id": heartbeat_id(name)}, {"$set": {"at": now}}, upsert=True)

    @reaching
    def last_beat(self, name: str) -> datetime | None:
        document = self.config.find_one({"_id": heartbeat_id(name)}) or {}
        return document.get("at")
