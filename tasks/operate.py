"""What beat and operators start: they look at the database and wake the stages."""

from __future__ import annotations

from typing import Any

from tasks.performing import WeekRefused, in_words, perform, wake, week_of
from worker.app import app, context
from worker.core.week import Week
from worker.services.watch.metrics import BEAT
from worker.services.week.due import find_work
from worker.services.week.story import Job, Work


@app.task(name="tasks.sweep", throws=(WeekRefused,))
@in_words
def sweep(**_: Any) -> str:
    """Find whatever is due, whatever message was lost. Beat sends it, so it is beat's pulse."""
    context().store.beat(BEAT, context().clock.now())
    return _wake_due(None)


@app.task(name="tasks.distribute", throws=(WeekRefused,))
@in_words
def distribute(*, week: str | None = None, at_once: bool = False, **_: Any) -> str:
    """Close the week that ended; with `week`, up to that week, with `at_once` without grace."""
    if week is None:
        return _wake_due(None)
    wanted = week_of(week)
    known = context().store.distribution(wanted)
    if at_once and (known is None or known.plan_id is None):
        return perform(Work(Job.PLAN, wanted), at_once=True)
    return _wake_due(wanted)


@app.task(name="tasks.retry", throws=(WeekRefused,))
@in_words
def retry(week: str, **_: Any) -> str:
    """Make everything unresolved of a week due now. Safe at any state, any number of times."""
    wanted = week_of(week)
    count = context().store.requeue(wanted, context().clock.now())
    return f"{wanted.label}: {count} made due now; {_wake_due(wanted)}"


def _wake_due(only: Week | None) -> str:
    return f"{wake(find_work(context(), only=only))} pieces of work woken"
