"""Tasks that only watch: they prove that tasks run, look at funds and books, and tell people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog

from tasks.performing import WeekRefused, week_of
from worker.app import WEEK, app, context, notifier, settings
from worker.core.errors import KontribError
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

log = structlog.get_logger("kontrib.watch")


@app.task(name="tasks.canary", throws=(WeekRefused,))
def canary(**_: Any) -> str:
    """Prove that tasks run, note what stage weeks reached, and tell people what is new."""
    try:
        store, now = context().store, context().clock.now()
        store.beat(CANARY, now)
        for distribution in store.distributions():
            if distribution.completed_at is None:
                note_stage(store, distribution.week, now)
        grace = timedelta(seconds=settings.plan_grace_seconds)
        stuck_after = timedelta(seconds=settings.stuck_after_seconds)
        events = find_events(store, now, grace=grace, stuck_after=stuck_after)
        told = announce(store, notifier(), events, now)
    except KontribError as error:
        log.warning("not told", reason=str(error))
        raise WeekRefused(str(error)) from None
    return f"alive; {told} told of {len(events)} events"


@app.task(name="tasks.funds", throws=(WeekRefused,))
def funds(**_: Any) -> str:
    """Look at the treasury and the fee payer against the coming week's need."""
    try:
        figures = record_funds(context())
    except KontribError as error:
        raise WeekRefused(str(error)) from None
    return funds_sentence(figures) + ("" if figures.is_enough else ": SHORT")


@app.task(name="tasks.reconcile", throws=(WeekRefused,))
def reconcile(*, week: str | None = None, **_: Any) -> str:
    """Compare a closed week with the chain; without `week`, one message for each recent one."""
    if week is None:
        try:
            weeks = recently_completed(context().store)
        except KontribError as error:
            raise WeekRefused(str(error)) from None
        for each in weeks:
            app.send_task("tasks.reconcile", kwargs={"week": each.id}, queue=WEEK, expires=3600)
        return f"{len(weeks)} closed weeks are compared with the chain"
    wanted = week_of(week)
    try:
        result = reconcile_week(context(), wanted)
    except KontribError as error:
        raise WeekRefused(str(error)) from None
    if result is None:
        return f"{wanted.label} is not closed: nothing to compare yet"
    if not result.is_exact:
        log.error("books disagree", week=wanted.id, differences=result.differences[:10])
    return result.sentence()
