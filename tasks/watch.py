"""Tasks that watch the system: a sign of life, funds, books, notifications, the archive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tasks.task import log, publish, read_week, task
from worker.app import WEEK, context, notifiers, settings
from worker.bootstrap.database import Stores, database_of
from worker.core.wording import counted
from worker.services.watch.endpoints import record_endpoints
from worker.services.watch.metrics import CANARY
from worker.services.watch.notifications import (
    announce,
    find_events,
    funds_sentence,
    note_stage,
    recently_completed,
    reconcile_week,
    record_funds,
)
from worker.services.watch.retention import archive_old_weeks

HOUR_SECONDS = 3600.0


@task
def canary(**_: Any) -> str:
    """Record that tasks run, record the stages of open weeks, and send new notifications."""
    store, now = context().store, context().clock.now()
    store.beat(CANARY, now)
    for distribution in store.distributions():
        if distribution.completed_at is None:
            note_stage(store, distribution.week, now)
    grace = timedelta(seconds=settings.plan_grace_seconds)
    stuck_after = timedelta(seconds=settings.stuck_after_seconds)
    events = find_events(store, now, grace=grace, stuck_after=stuck_after)
    sent = announce(store, notifiers(), events, now)
    return f"alive; {counted(len(events), 'event')}, {counted(sent, 'message')} sent"


@task
def funds(**_: Any) -> str:
    """Compare the treasury and the fee payer with the needs of the coming week, and look at every
    RPC endpoint."""
    endpoints = record_endpoints(context())
    figures = record_funds(context())
    text = funds_sentence(figures) + ("" if figures.is_enough else ": SHORT")
    return "; ".join([text, *(f"{it.host}: {it.problem}" for it in endpoints if it.problem)])


@task
def reconcile(*, week: str | None = None, **_: Any) -> str:
    """Compare a closed week with the chain. Without `week`, publish a message per recent week."""
    if week is None:
        weeks = recently_completed(context().store)
        for each in weeks:
            publish("tasks.reconcile", {"week": each.id}, WEEK, expires=HOUR_SECONDS)
        return f"{len(weeks)} closed weeks are compared with the chain"
    wanted = read_week(week)
    result = reconcile_week(context(), wanted)
    if result is None:
        return f"{wanted.label} is not closed: nothing to compare yet"
    if not result.is_exact and not result.is_unproven:
        log.error("books disagree", week=wanted.id, differences=result.differences[:10])
    return result.sentence()


@task
def archive(**_: Any) -> str:
    """Move weeks completed over a year ago to the archive."""
    stores = Stores(database_of(context()))
    now = context().clock.now()
    return archive_old_weeks(stores.payouts, stores.retention, now).sentence()
