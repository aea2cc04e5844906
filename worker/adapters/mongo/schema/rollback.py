"""The owner's rollback plan: remove the added fields, and drop the new collections.

It deletes financial records. Payments stay on chain and in the published plans, and can be rebuilt
from there. Debts are only in this database, so a rollback is refused while rewards are owed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, update_in_chunks
from worker.adapters.mongo.connection import Mongo
from worker.adapters.mongo.payout.control import CONTROL_ID
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.payout.weeks import GENESIS_ID
from worker.adapters.mongo.schema.differences import SCHEMA_ID, index_documents, serves
from worker.adapters.mongo.schema.spec import COLLECTIONS, CollectionSpec
from worker.core.errors import Refused
from worker.core.lifecycle import Stage
from worker.core.money import tokens_text
from worker.core.week import Week

_OUR_CONFIG = {"$or": [{"_id": {"$in": [SCHEMA_ID, CONTROL_ID, GENESIS_ID]}},
                       {"_id": {"$regex": "^(heartbeat|count|mark|figures)/"}}]}  # fmt: skip
_OUR_USER_FIELDS = (names.WALLET, names.WALLET_CONFLICT, names.ACCOUNT_MADE_AT)

Notify = Callable[[str], None]


class StillOwed(Refused):
    """Rewards of an anchored week are not paid yet."""

    def __init__(self, amount: int, count: int) -> None:
        super().__init__(
            f"{tokens_text(amount)} KONTRIB in {count} payouts are still owed. Let them be paid "
            "first, or use --force to roll back now; `kontrib rebuild` can bring the "
            "anchored weeks back later."
        )


class WeekStillOpen(Refused):
    """A week has ended or has a plan, and is not completed."""

    def __init__(self, weeks: list[Week]) -> None:
        self.weeks = weeks
        listed = ", ".join(week.label for week in weeks[:5]) + (", ..." if weeks[5:] else "")
        super().__init__(
            f"{listed} is open. Let it be completed first, or "
            "use --force to roll back now. Nothing was changed."
        )


@dataclass(frozen=True, slots=True)
class RollbackReport:
    steps: tuple[str, ...]
    documents_updated: int


def plan_rollback(database: Mongo) -> list[str]:
    """The steps that `rollback` would take. Writes nothing."""
    return _Rollback(database, _say_nothing).plan()


def refuse_while_needed(database: Mongo, now: datetime) -> None:
    """
    Raises:
        StillOwed: an anchored week is not paid yet.
        WeekStillOpen: a week is not completed.
    """
    store = MongoStore(database)
    amount, count = store.outstanding()
    if count:
        raise StillOwed(amount, count)
    if weeks := _open_weeks(store, now):
        raise WeekStillOpen(weeks)


def _open_weeks(store: MongoStore, now: datetime) -> list[Week]:
    """A week that has ended without a plan is owed as a whole."""
    known = {d.week: d.stage for d in store.distributions()}
    first = store.first_week()
    over = [] if first is None else first.until(Week.containing(now).previous())
    unplanned = [w for w in over if w not in known and store.distribution(w) is None]
    return sorted([*(w for w, s in known.items() if s is not Stage.COMPLETED), *unplanned])


def rollback(
    database: Mongo, notify: Notify, now: datetime, *, force: bool = False
) -> RollbackReport:
    """Do it. Can be run again after a crash. The owner's configuration document stays.

    Raises:
        StillOwed, WeekStillOpen: see `refuse_while_needed`; not with `force`.
    """
    if not force:
        refuse_while_needed(database, now)
    return _Rollback(database, notify).run()


def _say_nothing(line: str) -> None:
    del line


class _Rollback(MongoPart):
    def __init__(self, database: Mongo, notify: Notify) -> None:
        super().__init__(database)
        self._notify = notify

    def plan(self) -> list[str]:
        steps = []
        for name in self._new_collections():
            count = self.database[name].estimated_document_count()
            steps.append(f"drop collection {name} ({count} documents)")
        for spec in _wiki_owned():
            steps += [f"drop index {spec.name}.{index}" for index in self._our_indexes(spec)]
            steps.append(f"remove the added fields from {spec.name}: {', '.join(_fields(spec))}")
        return [*steps, f"remove our records from {names.SYSTEM_CONFIG}"]

    def run(self) -> RollbackReport:
        steps, updated = self.plan(), 0
        # First: after a crash, weeks that are dropped must not look as if they were never planned.
        self.database[names.SYSTEM_CONFIG].delete_one({"_id": GENESIS_ID})
        for name in self._new_collections():
            self._notify(f"dropping collection {name}")
            self.database[name].drop()
        for spec in _wiki_owned():
            for index in self._our_indexes(spec):
                self._notify(f"dropping index {spec.name}.{index}")
                self.database[spec.name].drop_index(index)
            self._notify(f"removing the added fields from {spec.name}")
            updated += self._unset(spec)
        self.database[names.SYSTEM_CONFIG].delete_many(_OUR_CONFIG)
        return RollbackReport(tuple(steps), updated)

    def _new_collections(self) -> list[str]:
        kept = {names.SYSTEM_CONFIG, *(spec.name for spec in _wiki_owned())}
        ours = [spec.name for spec in COLLECTIONS if spec.name not in kept]
        existing = set(self.database.list_collection_names())
        return [n for n in (*ours, names.WEEKLY_DISTRIBUTIONS_CONFLICTS) if n in existing]

    def _our_indexes(self, spec: CollectionSpec) -> list[str]:
        if spec.name not in self.database.list_collection_names():
            return []
        return [
            existing["name"]
            for existing in index_documents(self.database, spec.name)
            if any(serves(existing, index) for index in spec.indexes)
        ]

    def _unset(self, spec: CollectionSpec) -> int:
        """Remove our fields from the documents that have any of them."""
        fields = _fields(spec)
        having = {"$or": [{name: {"$exists": True}} for name in fields]}
        unset = {"$unset": dict.fromkeys(fields, "")}
        return update_in_chunks(self.database[spec.name], having, unset)


def _wiki_owned() -> list[CollectionSpec]:
    return [spec for spec in COLLECTIONS if spec.wiki_owned]


def _fields(spec: CollectionSpec) -> list[str]:
    extra = _OUR_USER_FIELDS if spec.name == names.USERS else ()
    return [*extra, *spec.added_fields]
