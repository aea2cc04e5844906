"""The store of payouts, assembled from its parts."""

from __future__ import annotations

from worker.adapters.mongo.payout.control import MongoControl
from worker.adapters.mongo.payout.payouts import MongoPayouts
from worker.adapters.mongo.payout.plans import MongoPlans
from worker.adapters.mongo.payout.rewards import MongoRewards
from worker.adapters.mongo.payout.sums.costs import MongoCosts
from worker.adapters.mongo.payout.sums.progress import MongoProgress
from worker.adapters.mongo.payout.wiki_data import MongoWiki


class MongoStore(
    MongoWiki, MongoPlans, MongoPayouts, MongoRewards, MongoProgress, MongoCosts, MongoControl
):
    """Implements `worker.ports.payout.Store`. Needs the indexes of `kontrib migrate`."""
