"""The owner's rollback plan: take away what migration added, and nothing else.

What was there before is in the record of the first migration (see `origin`). Fields, collections,
indexes and validators of the wiki's stay or come back. A database that an earlier version migrated
has no such record: then everything stays that could be the wiki's.

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
from worker.adapters.mongo.schema.differences import SCHEMA_ID
from worker.adapters.mongo.schema.indexes import drop_index, restore_index
from worker.adapters.mongo.schema.origin import ORIGIN_ID
from worker.adapters.mongo.schema.rollback_scope import RollbackScope, without_added
from worker.adapters.mongo.schema.seeds import CONFIG, first_config
from worker.adapters.mongo.schema.spec import CollectionSpec
from worker.core.errors import Refused
from worker.core.lifecycle import Stage
from worker.core.money import tokens_text
from worker.core.plan.rules import CONFIG_ID
from worker.core.week import Week
from worker.core.wording import counted

_OUR_CONFIG = {"$or": [{"_id": {"$in": [SCHEMA_ID, ORIGIN_ID, CONTROL_ID, GENESIS_ID]}},
                       {"_id": {"$regex": "^(heartbeat|count|mark|figures)/"}}]}  # fmt: skip
_MOVED_WALLETS = (names.WALLET_CONFLICT, names.WALLET_REMOVED)

Notify = Callable[[str], None]


class StillOwed(Refused):
    """Rewards of an anchored week are not paid yet."""

    def __init__(self, amount: int, count: int) -> None:
        super().__init__(
            f"{counted(count, 'payout')} of {tokens_text(amount)} KONTRIB still owed. Let "
            "everything be paid first, or use --force to roll back now; `kontrib rebuild` can "
            "bring the anchored weeks back later."
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
    """Do it. Can be run again after a crash.

    The record of what was there goes last, so that a second run knows the same.

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
        return self._steps(RollbackScope(self.database))

    def run(self) -> RollbackReport:
        scope = RollbackScope(self.database)
        steps, updated = self._steps(scope), 0
        # First: after a crash, weeks that are dropped must not look as if they were never planned.
        self.database[names.SYSTEM_CONFIG].delete_one({"_id": GENESIS_ID})
        self._return_distributions(scope)
        for name in scope.new_collections():
            self._notify(f"dropping collection {name}")
            self.database[name].drop()
        for spec in scope.kept():
            updated += self._undo(scope, spec)
        for name in scope.empty():
            self.database[name].drop()
        for old, new in scope.renamed():
            self._notify(f"renaming collection {new} to {old}")
            self.database[new].rename(old)
        self._clean_config(scope)
        return RollbackReport(tuple(steps), updated)

    def _steps(self, scope: RollbackScope) -> list[str]:
        steps = []
        if not scope.origin.is_known:
            steps.append(
                "keep every field, index and collection that could be the wiki's: nothing was "
                "recorded of what was there before the first migration"
            )
        steps += [
            f"keep collection {name}: {count} of its documents are the wiki's"
            for name, count in scope.filled()
        ]
        steps += [
            f"keep collection {new}: {old} holds documents that the wiki wrote since"
            for old, new in scope.origin.renamed.items()
            if old in dict(scope.filled())
        ]
        for name in scope.new_collections():
            count = self.database[name].estimated_document_count()
            steps.append(f"drop collection {name} ({counted(count, 'document')})")
        for spec in scope.kept():
            steps += self._steps_of(scope, spec)
        steps += [f"drop collection {name} (empty)" for name in scope.empty()]
        steps += [f"rename collection {new} to {old}" for old, new in scope.renamed()]
        if self._is_config_untouched(scope):
            steps.append(f"remove {CONFIG_ID}, which nobody changed, from {names.SYSTEM_CONFIG}")
        return [*steps, f"remove what we recorded in {names.SYSTEM_CONFIG}"]

    def _steps_of(self, scope: RollbackScope, spec: CollectionSpec) -> list[str]:
        name = spec.name
        steps = [f"drop index {name}.{index}" for index in scope.our_indexes(spec)]
        if spec.validator is not None:
            steps.append(f"give {name} the validation from before")
        if (selected := scope.our_documents(name)) is not None:
            count = self.database[name].count_documents(selected)
            steps.append(f"remove our {counted(count, 'document')} from {name}")
        if fields := scope.added_fields(spec):
            listed = ", ".join(fields)
            owners = "; the owner's fields where migration added them" if spec.added_fields else ""
            steps.append(f"remove the added fields from {name}: {listed}{owners}")
        return [*steps, *(f"restore index {name}.{each['name']}" for each in scope.dropped(name))]

    def _return_distributions(self, scope: RollbackScope) -> None:
        """Bring back the wiki's distributions that were moved away, where the others stay."""
        for spec in scope.kept():
            if spec.name != names.WEEKLY_DISTRIBUTIONS:
                continue
            for index in scope.our_indexes(spec):
                drop_index(self.database, spec.name, index)
            weeks = self.database[spec.name]
            for name, moved in scope.moved_distributions().items():
                for document in self.database[name].find(moved):
                    document.pop(names.SET_ASIDE, None)
                    selected = {"_id": document["_id"]}
                    weeks.replace_one(
                        selected, document, upsert=True, bypass_document_validation=True
                    )
                    self.database[name].delete_one(selected)

    def _undo(self, scope: RollbackScope, spec: CollectionSpec) -> int:
        """Bring a collection that stays to what it was; returns how many documents changed."""
        name = spec.name
        for index in scope.our_indexes(spec):
            self._notify(f"dropping index {name}.{index}")
            drop_index(self.database, name, index)
        if spec.validator is not None:
            # Before the fields: our validator requires some of them.
            self.database.command("collMod", name, **scope.validation(spec))
        if (selected := scope.our_documents(name)) is not None:
            self._notify(f"removing our documents from {name}")
            self.database[name].delete_many(selected)
        self._notify(f"removing the added fields from {name}")
        if name == names.USERS:
            self._return_wallets()
        updated = self._remove_fields(scope, spec)
        for document in scope.dropped(name):
            self._notify(f"restoring index {name}.{document['name']}")
            restore_index(self.database, name, document)
        return updated

    def _return_wallets(self) -> None:
        """Wallets that migration moved to another field, unless the user has a new one."""
        for moved in _MOVED_WALLETS:
            selected = {moved: {"$exists": True}, names.WALLET: {"$exists": False}}
            self.database[names.USERS].update_many(selected, {"$rename": {moved: names.WALLET}})

    def _remove_fields(self, scope: RollbackScope, spec: CollectionSpec) -> int:
        moved = _MOVED_WALLETS if spec.name == names.USERS else ()
        fields = [*scope.added_fields(spec), *moved]
        touched = [*fields, *([names.ADDED_FIELDS] if spec.added_fields else [])]
        if not touched:
            return 0
        has_any = {"$or": [{name: {"$exists": True}} for name in touched]}
        selected = {"$and": [has_any, scope.written_by_us(spec)]}
        update = without_added(spec, fields)
        return update_in_chunks(self.database[spec.name], selected, update)

    def _clean_config(self, scope: RollbackScope) -> None:
        """Remove the keys and the documents that were not there, the record itself last."""
        config, origin = self.database[names.SYSTEM_CONFIG], scope.origin
        added = [key for key in CONFIG if key not in origin.config_keys]
        if origin.config_keys and added:
            config.update_one({"_id": CONFIG_ID}, {"$unset": dict.fromkeys(added, "")})
        if self._is_config_untouched(scope):
            config.delete_one({"_id": CONFIG_ID})
        kept = {"_id": {"$nin": [*origin.config_ids, ORIGIN_ID]}}
        config.delete_many({"$and": [_OUR_CONFIG, kept]})
        config.delete_one({"_id": ORIGIN_ID})
        is_new = origin.is_known and names.SYSTEM_CONFIG not in origin.collections
        if is_new and config.find_one({}, {"_id": 1}) is None:
            config.drop()

    def _is_config_untouched(self, scope: RollbackScope) -> bool:
        """Whether migration made the settings' document, and nobody has changed it since."""
        if not scope.origin.is_known or CONFIG_ID in scope.origin.config_ids:
            return False
        stored = self.database[names.SYSTEM_CONFIG].find_one({"_id": CONFIG_ID}) or {}
        stored.pop("updated_at", None)
        return any(stored == first_config(has_own_reputation=own) for own in (True, False))
