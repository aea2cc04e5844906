"""One task for each stage of a week, so that Flower tells the week's story."""

from __future__ import annotations

from typing import Any

from tasks.performing import WeekRefused, perform, week_of
from worker.app import app
from worker.services.week.story import Job, Work

POSITIONS_MAX = 2**31
"""Beyond any plan, and within what the database can compare."""


@app.task(name="tasks.plan", throws=(WeekRefused,))
def plan(*, week: str, **_: Any) -> str:
    """Compute, write and publish a week's plan."""
    return perform(Work(Job.PLAN, week_of(week)))


@app.task(name="tasks.anchor", throws=(WeekRefused,))
def anchor(*, week: str, **_: Any) -> str:
    """Make a plan's root final on chain."""
    return perform(Work(Job.ANCHOR, week_of(week)))


@app.task(name="tasks.accounts", throws=(WeekRefused,))
def accounts(*, week: str, **_: Any) -> str:
    """Create the token accounts that recipients lack."""
    return perform(Work(Job.ACCOUNTS, week_of(week)))


@app.task(name="tasks.pay", throws=(WeekRefused,))
def pay(*, week: str, first: int, last: int, **_: Any) -> str:
    """Pay and settle the batches of a range, `last` excluded."""
    if not _is_range(first, last):
        raise WeekRefused(f"A message names {first!r} to {last!r}, which is no range of batches.")
    return perform(Work(Job.PAY, week_of(week), first, last))


@app.task(name="tasks.singles", throws=(WeekRefused,))
def singles(*, week: str, **_: Any) -> str:
    """Find rewards that can be paid alone now."""
    return perform(Work(Job.SINGLES, week_of(week)))


@app.task(name="tasks.close", throws=(WeekRefused,))
def close(*, week: str, **_: Any) -> str:
    """Reconcile plan, database and chain, and complete the week."""
    return perform(Work(Job.CLOSE, week_of(week)))


def _is_range(first: object, last: object) -> bool:
    """Messages may come from anybody who reaches the broker. `True` is no number here."""
    numbers = type(first) is int and type(last) is int
    return numbers and 0 <= first < last <= POSITIONS_MAX  # type: ignore[operator]
