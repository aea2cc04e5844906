"""Tasks around the books: compare everything, archive old weeks, add up the running week."""

from __future__ import annotations

from typing import Any

import structlog

from tasks.performing import WeekRefused
from worker.app import app, context, wiki
from worker.bootstrap import check_store_beside, retention_beside
from worker.core.errors import KontribError
from worker.services.check.everything import check_all, record_check
from worker.services.watch.retention import archive_old_weeks
from worker.services.wiki.dashboard import record_running_week

LISTED_MAX = 10

log = structlog.get_logger("kontrib.check")


@app.task(name="tasks.check", throws=(WeekRefused,))
def check(**_: Any) -> str:
    """Compare everything that is stored with what it comes from."""
    try:
        report = check_all(wiki(), check_store_beside(context()), context())
        record_check(context(), report)
    except KontribError as error:
        raise WeekRefused(str(error)) from None
    if not report.is_clean:
        listed = [str(each) for each in report.findings[:LISTED_MAX]]
        log.error("books differ", count=len(report.findings), differences=listed)
    return report.sentence()


@app.task(name="tasks.archive", throws=(WeekRefused,))
def archive(**_: Any) -> str:
    """Move completed weeks that are older than a year to the archive."""
    try:
        store, retention = context().store, retention_beside(context())
        return archive_old_weeks(store, retention, context().clock.now()).sentence()
    except KontribError as error:
        raise WeekRefused(str(error)) from None


@app.task(name="tasks.running_week", throws=(WeekRefused,))
def running_week(**_: Any) -> str:
    """Add up everyone's points of the running week, for the estimates that users see."""
    try:
        found = record_running_week(wiki())
    except KontribError as error:
        raise WeekRefused(str(error)) from None
    return f"{found.week.label}: {found.users} users have enough points so far"
