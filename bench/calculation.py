"""The cost of planning a week, compared with the bare database operations.

Calculation sums points, checks every contribution and splits the pool. The comparison is the bare
aggregation. Writing inserts rewards and payouts, reads them back and publishes them outside the
database. The comparison is the bare inserts of the same rewards on one connection.
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from bench.synthetic import WEEK, chunks
from worker.adapters.mongo.base import STREAM_BATCH
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.payout.documents import reward_document
from worker.core.plan.allocation import MULTIPLIER_SCALE, allocate
from worker.core.plan.counted_contributions import PointsWindow
from worker.core.plan.rules import LATE_WEEKS, Rules
from worker.ports.payout import WikiStore
from worker.services.context import Context
from worker.services.plan.anchored.previous import Previous
from worker.services.plan.draft import Draft, make_draft
from worker.services.plan.publish import write_and_publish_plan

ROUNDS = 5
INSERTED_AT_ONCE = 5_000
CUTOFF = int(WEEK.end.timestamp())
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Calculated:
    """Seconds. The calculations are medians of several alternating rounds."""

    users: int
    contributions: int
    bare_aggregation: float
    calculation: float
    later_calculation: float
    """The same for a week that follows a planned week, with its search for late contributions."""
    bare_inserts: float
    written: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "calculation_ratio": self.calculation / self.bare_aggregation,
            "later_calculation_ratio": self.later_calculation / self.bare_aggregation,
            "written_ratio": self.written / self.bare_inserts,
        }


def measure_calculation(context: Context, database: Mongo) -> Calculated:
    """Measure on a database whose week is not planned, and leave it unplanned."""
    rules, contributions = context.rules(), database.contributions.count_documents({})
    first = PointsWindow(WEEK, WEEK.end, None, WEEK.start)
    later = PointsWindow(WEEK, WEEK.end, WEEK.start, WEEK.back(LATE_WEEKS).start)
    rounds = [
        (
            _seconds(lambda: _drained(bare_aggregation(database)))[0],
            _seconds(lambda: _calculate(context.store, first, rules))[0],
            _seconds(lambda: _calculate(context.store, later, rules))[0],
        )
        for _ in range(ROUNDS)
    ]
    bare, calculation, again = (sorted(each)[ROUNDS // 2] for each in zip(*rounds, strict=True))
    draft = make_draft(context, WEEK, CUTOFF, Previous(WEEK))
    written, bare_inserts = _written(context, draft), _bare_inserts(database, draft)
    return Calculated(
        draft.header.rewards, contributions, bare, calculation, again, bare_inserts, written
    )


def bare_aggregation(database: Mongo) -> Iterator[Document]:
    """Sum each user's points, without checks."""
    stages: list[Document] = [
        {"$match": {"created_at": {"$gte": WEEK.start, "$lt": WEEK.end}}},
        {"$group": {"_id": "$user_id", "points": {"$sum": "$total_points"}}},
    ]
    yield from database.contributions.aggregate(
        stages, allowDiskUse=True, batchSize=STREAM_BATCH, hint={"created_at": -1}
    )


def _calculate(store: WikiStore, window: PointsWindow, rules: Rules) -> None:
    points = [user.points for user in store.week_points(window, rules).users]
    allocate(points, [MULTIPLIER_SCALE] * len(points), rules.policy)


def _written(context: Context, draft: Draft) -> float:
    plan_id = uuid.uuid4().hex

    taken, _ = _seconds(
        lambda: write_and_publish_plan(context, draft.header, draft.rewards(plan_id), plan_id)
    )
    context.store.discard_plan(plan_id)
    return taken


def _bare_inserts(database: Mongo, draft: Draft) -> float:
    plan_id, now, taken = uuid.uuid4().hex, datetime.now(UTC), 0.0
    for chunk in chunks(draft.rewards(plan_id), INSERTED_AT_ONCE):
        documents = [reward_document(each, WEEK, plan_id, now) for each in chunk]
        insert = functools.partial(database.token_rewards.insert_many, documents, ordered=False)
        taken += _seconds(insert)[0]
    database.token_rewards.delete_many({"plan_id": plan_id})
    return taken


def _drained(documents: Iterator[Document]) -> None:
    for _ in documents:
        pass


def _seconds(do: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = do()
    return time.perf_counter() - began, result
