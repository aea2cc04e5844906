"""The whole database behind the services' port."""

from __future__ import annotations

from worker.adapters.mongo.control import MongoControl
from worker.adapters.mongo.payouts import MongoPayouts
from worker.adapters.mongo.plans import MongoPlans
from worker.adapters.mongo.rewards import MongoRewards
from worker.adapters.mongo.wiki import MongoWiki


class MongoStore(MongoWiki, MongoPlans, MongoPayouts, MongoRewards, MongoControl):
    """Implements `worker.ports.Store`. Needs the indexes of `kontrib migrate`."""
