"""Finds due work in the database alone, so that a lost message delays a week but never stops it."""

from __future__ import annotations

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.genesis import first_week
from worker.services.week.story import Job, Work, next_work


def due_weeks(context: Context) -> list[Week]:
    """All weeks whose grace is over, from the first week on, oldest first.

    Raises:
        NoGenesis: no week is due without it.
    """
    ended = Week.containing(context.clock.now() - context.limits.plan_grace).previous()
    return first_week(context).until(ended)


def find_work(context: Context, *, only: Week | None = None) -> list[Work]:
    """The work that can be done now, oldest week first. Weeks are planned in order.

    `only` limits the work to one week, and to weeks that must be anchored before it.
    """
    now = context.clock.now()
    known = {d.week: d for d in context.store.distributions()}
    planned_early = {w for w, d in known.items() if d.plan_id is not None}
    work: list[Work] = []
    for week in sorted({*due_weeks(context), *planned_early}):
        if only is not None and week > only:
            break
        found = known.get(week) or context.store.distribution(week)
        distribution = found or Distribution(week, Stage.DUE)
        if only is None or week == only or not distribution.stage.is_frozen:
            work += next_work(context, distribution, now)
        if not distribution.stage.is_frozen:
            break  # later weeks wait until this one is anchored
    return work


def follow_up(context: Context, done: Work) -> list[Work]:
    """The work that a finished piece of work makes possible, without waiting for the sweep.

    A payment continues its own range, and then another open one, whose message may have expired
    while all workers were busy. Payments that end together choose different ranges.
    """
    found = find_work(context)
    if done.job is not Job.PAY:
        return [w for w in found if w.week == done.week or w.job is Job.PLAN]
    of_week = [w for w in found if w.week == done.week]
    open_ranges = [w for w in of_week if w.job is Job.PAY]
    own = [w for w in open_ranges if w.first in range(done.first, done.last)]
    if own or not open_ranges:
        return own or of_week
    chosen = open_ranges[done.first // (done.last - done.first) % len(open_ranges)]
    return [chosen, *(w for w in of_week if w.job is not Job.PAY)]
