"""One task for each stage of a week, so that Flower tells the week's story."""

from __future__ import annotations

from typing import Any

from tasks.performing import WeekRefused, perform
from worker.app import app
from worker.core.week import Week
from worker.services.work import Job, Work


@app.task(name="tasks.plan", throws=(WeekRefused,))
def plan(*, week: str, **_: Any) -> str:
    """Compute, write and publish a week's plan."""
    return perform(Work(Job.PLAN, Week.parse(week)))


@app.task(name="tasks.anchor", throws=(WeekRefused,))
def anchor(*, week: str, **_: Any) -> str:
    """Make a plan's root final on chain."""
    return perform(Work(Job.ANCHOR, Week.parse(week)))


@app.task(name="tasks.accounts", throws=(WeekRefused,))
def accounts(*, week: str, **_: Any) -> str:
    """Create the token accounts that recipients lack."""
    return perform(Work(Job.ACCOUNTS, Week.parse(week)))


@app.task(name="tasks.pay", throws=(WeekRefused,))
def pay(*, week: str, first: int, last: int, **_: Any) -> str:
    """Pay and settle the batches of a range, `last` excluded."""
    return perform(Work(Job.PAY, Week.parse(week), first, last))


@app.task(name="tasks.singles", throws=(WeekRefused,))
def singles(*, week: str, **_: Any) -> str:
    """Find rewards that can be paid alone now."""
    return perform(Work(Job.SINGLES, Week.parse(week)))


@app.task(name="tasks.close", throws=(WeekRefused,))
def close(*, week: str, **_: Any) -> str:
    """Reconcile plan, database and chain, and complete the week."""
    return perform(Work(Job.CLOSE, Week.parse(week)))
