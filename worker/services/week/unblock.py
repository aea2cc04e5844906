"""Lets a waiting week continue: approve its plan, end a pause, or try again now."""

from __future__ import annotations

from datetime import datetime

from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.plan.planned_week import planned_distribution


def approve_week(store: Store, week: Week, now: datetime) -> bool:
    """Let a planned week be anchored. False if it is already anchored.

    Raises:
        NotPlanned: there is no plan to approve.
    """
    if planned_distribution(store, week).stage.is_frozen:
        return False
    store.approve(week)
    store.requeue(week, now)
    return True


def resume_signing(store: Store, now: datetime) -> None:
    """End a pause, and make every open week due now."""
    store.pause(None)
    for distribution in store.distributions():
        if distribution.stage is not Stage.COMPLETED:
            store.requeue(distribution.week, now)


def retry_week(store: Store, week: Week, now: datetime) -> int:
    """Make everything unresolved of a week due now, and return how many. Sends nothing itself.

    Safe at any state, any number of times.
    """
    return store.requeue(week, now)
