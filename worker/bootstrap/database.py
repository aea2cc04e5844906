"""The wiki's MongoDB database: the stores that services use, and the tools of its operator."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from config.settings import Settings
from worker.adapters.mongo.backup.format import BackupManifest
from worker.adapters.mongo.backup.restore import restore
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.check.reporting import MongoReporting
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import connect
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.duplicates import set_week_aside
from worker.adapters.mongo.schema.migrations import (
    migrate,
    plan_migration,
    require_schema,
    verify,
)
from worker.adapters.mongo.schema.rollback import plan_rollback, refuse_while_needed, rollback
from worker.adapters.mongo.wiki.dashboard import MongoViews
from worker.adapters.mongo.wiki.ingest import MongoIngestStore
from worker.ports.check import CheckStore, RetentionStore, ViewStore
from worker.ports.payout import Store
from worker.ports.report import ReportStore
from worker.services.context import Context
from worker.services.wiki.ingest import IngestStore

__all__ = [
    "BackupManifest",
    "back_up",
    "migrate",
    "plan_migration",
    "plan_rollback",
    "refuse_while_needed",
    "require_schema",
    "restore",
    "rollback",
    "set_week_aside",
    "verify",
]


def open_database(settings: Settings) -> Database[dict[str, Any]]:
    """The wiki's database, with majority writes."""
    return connect(settings.mongo_uri.get_secret_value(), settings.mongo_database)


def database_of(context: Context) -> Database[dict[str, Any]]:
    """The connection that a process already has."""
    if not isinstance(context.store, MongoStore):
        raise TypeError("the context was not made by build_context")
    return context.store.database


class Stores:
    """All stores on one connection, as the services know them."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self.payouts: Store = MongoStore(database)
        self.ingest: IngestStore = MongoIngestStore(database)
        self.checks: CheckStore = MongoCheckStore(database)
        self.reports: ReportStore = MongoReporting(database)
        self.views: ViewStore = MongoViews(database)
        self.retention: RetentionStore = MongoRetention(database)
