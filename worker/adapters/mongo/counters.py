"""All counters of users and articles behind one port."""

from __future__ import annotations

from worker.adapters.mongo.activity import MongoActivity
from worker.adapters.mongo.token_counters import MongoTokenCounters


class MongoCounters(MongoActivity, MongoTokenCounters):
    """Implements `worker.ports_wiki.CounterStore`. Needs the indexes of `kontrib migrate`."""
