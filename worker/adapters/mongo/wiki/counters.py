"""All counters of users and articles behind one port."""

from __future__ import annotations

from worker.adapters.mongo.wiki.contribution_counters import MongoActivity
from worker.adapters.mongo.wiki.reward_counters import MongoTokenCounters


class MongoCounters(MongoActivity, MongoTokenCounters):
    """Implements `worker.ports.wiki.CounterStore`. Needs the indexes of `kontrib migrate`."""
