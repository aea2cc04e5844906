"""Distributions: the stage and the plan of each week."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import Int64
from pymongo.errors import DuplicateKeyError

from worker.adapters.mongo.base import RESOLVED, MongoPart
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import ADOPTED, SET_ASIDE, WEEKLY_DISTRIBUTIONS_CONFLICTS
from worker.adapters.mongo.payout.documents import (
    UNTRIED,
    adopted,
    distribution_of,
    new_distribution,
    status_expression,
)
from worker.adapters.mongo.payout.historic import (
    OURS,
    PAID_ELSEWHERE,
    historic_week_of_rewards,
    is_monday,
    is_plannable,
    may_be_paid,
)
from worker.adapters.mongo.payout.rewards import unresolved_payments, waiting
from worker.core.lifecycle import STAGES, Stage, Status, check_transition, status_of
from worker.core.payout.records import Distribution
from worker.core.plan.earlier_key import EarlierKey
from worker.core.week import Week

GENESIS_ID = "genesis"
_STORED_NAMES = {"signature": "distribution_tx_hash"}
_CALENDAR_BEGIN, _CALENDAR_END = datetime(1, 1, 8, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_NOT_FOR_READERS = {"_id": 0, "header": 0}


class MongoKnownWeeks(MongoPart):
    """Reads distributions: of this system, and of another one."""

    def distribution(self, week: Week) -> Distribution | None:
        document, archived = self._find_document(week)
        if document is not None:
            return self._known(document, archived=archived)
        return self._of_rewards_alone(week) if self.is_of_rewards_alone(week) else None

    def is_of_rewards_alone(self, week: Week) -> bool:
        """Whether another system has rewards of a week without a distribution, and nobody has
        decided that the week is planned here."""
        decided = {"week_start": week.start, SET_ASIDE: {"$exists": True}}
        return (
            self.token_rewards.find_one(may_be_paid(week), {"_id": 1}) is not None
            and self._find_document(week, {"_id": 1})[0] is None
            and self.database[WEEKLY_DISTRIBUTIONS_CONFLICTS].find_one(decided) is None
        )

    def _of_rewards_alone(self, week: Week) -> Distribution:
        historic = historic_week_of_rewards(self.token_rewards.find(may_be_paid(week)))
        found = Distribution(week, Stage.COMPLETED, plan_id=None, historic=historic)
        return found.since(self.first_week())

    def _weeks_of_rewards_alone(self) -> Iterator[Distribution]:
        """From the first week on. Without a first week only the last one, which a genesis needs."""
        first, before = self.first_week(), _CALENDAR_END
        start = _CALENDAR_BEGIN if first is None else first.start
        while True:
            later = {"week_start": {"$gte": start, "$lt": before}, **PAID_ELSEWHERE}
            found = self.token_rewards.find_one(later, {"week_start": 1}, sort=[("week_start", -1)])
            if found is None:
                return
            week = Week.containing(found["week_start"])
            if self.is_of_rewards_alone(week):
                yield self._of_rewards_alone(week)
            if first is None:
                return
            before = week.start

    def _known(self, document: Document, *, archived: bool) -> Distribution:
        is_paid = not self._is_undone(document)
        distribution = distribution_of(document, archived=archived, is_paid=is_paid)
        if distribution.historic is None:
            return distribution
        return distribution.since(self.first_week())

    def _is_undone(self, document: Document) -> bool:
        """Whether another system wrote the distribution, and paid nobody of its week."""
        if not is_plannable(document):
            return False
        rewards = may_be_paid(Week.containing(document["week_start"]))
        return self.token_rewards.find_one(rewards, {"_id": 1}) is None

    def _find_document(
        self, week: Week, fields: Document | None = None
    ) -> tuple[Document | None, bool]:
        """A week's document, and True if only the archive may have it."""
        selected = {"week_start": week.start}
        document = self.weeks.find_one(selected, fields)
        if document is not None and document.get("stage") is not None:
            return document, False
        # Another system's document of an archived week changes nothing.
        archived = self.archive.find_one(selected, fields)
        return (document, False) if archived is None and document is not None else (archived, True)

    def distributions(self) -> list[Distribution]:
        documents = self.weeks.find({}).sort("week_start", 1)
        found = [self._known(d, archived=False) for d in documents if self._counts(d)]
        return sorted([*found, *self._weeks_of_rewards_alone()], key=lambda each: each.week)

    def _counts(self, document: Document) -> bool:
        """Whether a document is its week's distribution."""
        if document.get("stage") is not None:
            return True
        start = document.get("week_start")
        return is_monday(start) and self.archive.find_one({"week_start": start}) is None

    def first_week(self) -> Week | None:
        document = self.config.find_one({"_id": GENESIS_ID})
        return None if document is None else Week.parse(document["first_week"])

    def earlier_key(self) -> EarlierKey | None:
        document = (self.config.find_one({"_id": GENESIS_ID}) or {}).get("earlier_key")
        if document is None:
            return None
        return EarlierKey(int(document["cutoff"]), Week.parse(document["first_week"]))


class MongoWeeks(MongoKnownWeeks):
    """Implements the part of `worker.ports.payout.PlanStore` about distributions."""

    def record_first_week(self, week: Week, earlier: EarlierKey | None = None) -> None:
        before: Document | None = None
        if earlier is not None:
            before = {"cutoff": Int64(earlier.cutoff), "first_week": earlier.first_week.id}
        update = {"$set": {"first_week": week.id, "earlier_key": before}}
        self.config.update_one({"_id": GENESIS_ID}, update, upsert=True)

    def ensure_distribution(self, week: Week, now: datetime) -> Distribution:
        document, archived = self._find_document(week)
        if document is not None and not archived and self._is_undone(document):
            unchanged = {"_id": document["_id"], "stage": None, "status": document["status"]}
            self.weeks.update_one(unchanged, {"$set": adopted(document, now)})
        if (known := self.distribution(week)) is not None:
            return known
        # Another worker may insert the same document first.
        with contextlib.suppress(DuplicateKeyError):
            self.weeks.insert_one(new_distribution(week, now))
        document = self.weeks.find_one({"week_start": week.start})
        return distribution_of(document or new_distribution(week, now), archived=False)

    def reset_week(self, week: Week, now: datetime) -> None:
        """The document keeps its id, since rewards refer to it."""
        selected, fresh = {"week_start": week.start}, new_distribution(week, now)
        kept = {"_id": 1, ADOPTED: 1}
        archived, current = (
            self.archive.find_one(selected, kept),
            self.weeks.find_one(selected, kept),
        )
        fresh |= (archived or {}) | (current or {})
        self.weeks.replace_one(selected, fresh, upsert=True)
        self.archive.delete_one(selected)

    # --- from stage to stage --------------------------------------------------------------------

    def advance(
        self, week: Week, plan_id: str, from_stage: Stage, to_stage: Stage, **facts: Any
    ) -> bool:
        check_transition(STAGES, str(week), from_stage, to_stage)
        selected = {"week_start": week.start, "plan_id": plan_id, "stage": from_stage.value}
        moved = {
            **UNTRIED,
            **{_STORED_NAMES.get(name, name): value for name, value in facts.items()},
            "stage": to_stage.value,
            "status": status_of(to_stage, stopped=False).value,
        }
        return self.weeks.update_one(selected, {"$set": moved}).matched_count == 1

    def record_failure(
        self, week: Week, *, reason: str, next_attempt_at: datetime, attempts: int, stopped: bool
    ) -> None:
        facts = {
            "reason": {"$literal": reason},
            "next_attempt_at": next_attempt_at,
            "attempts": attempts,
            "stopped": stopped,
            "status": status_expression(stopped=stopped),
        }
        self.weeks.update_one(_ours(week), [{"$set": facts}])

    def forget_failure(self, week: Week) -> None:
        facts = {**UNTRIED, "status": status_expression(stopped=False)}
        self.weeks.update_one(_ours(week), [{"$set": facts}])

    def reserve(self, distribution: Distribution, until: datetime) -> bool:
        as_read = {
            "stage": distribution.stage.value,
            "next_attempt_at": distribution.next_attempt_at,
        }
        selected = {**_ours(distribution.week), **as_read}
        reserved = {"$set": {"next_attempt_at": until}}
        return self.weeks.update_one(selected, reserved).matched_count == 1

    def approve(self, week: Week, root: bytes) -> bool:
        facts = {"approved": True, "next_attempt_at": None}
        selected = {**_ours(week), "root": root.hex()}
        return self.weeks.update_one(selected, {"$set": facts}).matched_count == 1

    def requeue(self, week: Week) -> int:
        facts = {**UNTRIED, "status": status_expression(stopped=False)}
        before = self.weeks.find_one_and_update(_ours(week), [{"$set": facts}])
        if before is None:
            return 0
        known = distribution_of(before, archived=False)
        count = int(known.stopped or known.next_attempt_at is not None)
        if (plan_id := known.plan_id) is None:
            return count
        payouts = self.payout_batches.update_many(
            unresolved_payments(plan_id), {"$set": {"attempts": 0, "next_attempt_at": None}}
        )
        unread = {"plan_id": plan_id, "status": {"$in": RESOLVED}, "reason": {"$ne": None}}
        read = self.payout_batches.update_many(
            unread, {"$set": {"attempts": 0, "next_attempt_at": None}}
        )
        rewards = self.token_rewards.update_many(
            {**waiting(plan_id), "operator_hold": None},
            {"$set": {"status": Status.PENDING.value, "next_attempt_at": None}},
        )
        return count + payouts.matched_count + read.matched_count + rewards.matched_count

    # --- notes ----------------------------------------------------------------------------------

    def record_notes(self, week: Week, **facts: Any) -> None:
        if facts:
            self.weeks.update_one(_ours(week), {"$set": facts})

    def notes(self, week: Week) -> Mapping[str, Any]:
        document, archived = self._find_document(week, _NOT_FOR_READERS)
        return {} if document is None else document | {"archived": archived}


def _ours(week: Week) -> Document:
    """Selects the week's document, if it is not another system's."""
    return {"week_start": week.start, **OURS}
