"""Opens the wiki's MongoDB database: its stores, and the tools for operators."""

from __future__ import annotations

from config.settings import Settings
from worker.adapters.mongo.backup.format import BackupManifest
from worker.adapters.mongo.backup.restore import restore
from worker.adapters.mongo.backup.retention import MongoRetention
from worker.adapters.mongo.backup.write import back_up
from worker.adapters.mongo.check.reporting import MongoReporting
from worker.adapters.mongo.check.store import MongoCheckStore
from worker.adapters.mongo.connection import (
    COMMAND_SELECTION_TIMEOUT_MS,
    SERVER_SELECTION_TIMEOUT_MS,
    Mongo,
    connect,
)
from worker.adapters.mongo.payout.store import MongoStore
from worker.adapters.mongo.schema.duplicates import set_week_aside
from worker.adapters.mongo.schema.migrations import migrate, plan_migration, require_schema, verify
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


def open_database(settings: Settings, *, for_command: bool = False) -> Mongo:
    """The wiki's database, with majority writes. `for_command` waits less for a missing server."""
    patience = COMMAND_SELECTION_TIMEOUT_MS if for_command else SERVER_SELECTION_TIMEOUT_MS
    return connect(
        settings.mongo_uri.get_secret_value(),
        settings.mongo_database,
        server_selection_timeout_ms=patience,
    )


def database_of(context: Context) -> Mongo:
    """The database of a context, on its existing connection."""
    if not isinstance(context.store, MongoStore):
        raise TypeError("the context was not built by build_context")
    return context.store.database


class Stores:
    """The stores for checks, reports, views and imports, on one connection."""

    def __init__(self, database: Mongo) -> None:
        self.payouts: Store = MongoStore(database)
        self.ingest: IngestStore = MongoIngestStore(database)
        self.checks: CheckStore = MongoCheckStore(database)
        self.reports: ReportStore = MongoReporting(database)
        self.views: ViewStore = MongoViews(database)
        self.retention: RetentionStore = MongoRetention(database)
