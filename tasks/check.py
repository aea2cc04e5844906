"""The task that compares all stored figures with their sources."""

from __future__ import annotations

from typing import Any

from tasks.task import log, task
from worker.app import context, wiki
from worker.bootstrap.database import Stores, database_of
from worker.services.check.everything import check_all, record_check

LISTED_MAX = 10


@task
def check(**_: Any) -> str:
    """Compare all stored figures with their sources, and log the first differences."""
    report = check_all(wiki(), Stores(database_of(context())).checks, context())
    record_check(context(), report)
    if not report.is_clean:
        listed = [str(each) for each in report.findings[:LISTED_MAX]]
        log.error("books differ", count=len(report.findings), differences=listed)
    return report.sentence()
