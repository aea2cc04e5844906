"""The times at which beat sends each task. The tasks find out which work is due.

Every entry carries `expires`, so that messages do not pile up while no worker runs. No payment
depends on a single message: the sweep finds the work of a lost one.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

HOUR_SECONDS = 3600
CANARY_SECONDS = 60
SWEEPS_PER_LOOK_AT_FUNDS = 3


def beat_schedule(sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """The beat entries; `sweep_seconds` is 300 in production."""
    canary_seconds = min(CANARY_SECONDS, sweep_seconds)
    funds_seconds = sweep_seconds * SWEEPS_PER_LOOK_AT_FUNDS
    weekly = crontab(minute="0", hour="0", day_of_week="mon")
    daily = crontab(minute="30", hour="3")
    on_tuesday = crontab(minute="30", hour="4", day_of_week="tue")
    on_wednesday = crontab(minute="30", hour="4", day_of_week="wed")
    every_six_hours = crontab(minute="10", hour="*/6")
    return {
        "close the week that ended": _entry("tasks.distribute", weekly, HOUR_SECONDS),
        "sweep what is due": _entry("tasks.sweep", sweep_seconds, sweep_seconds),
        "prove that tasks run, and notify people": _entry(
            "tasks.canary", canary_seconds, canary_seconds
        ),
        "look at the funds": _entry("tasks.funds", funds_seconds, funds_seconds),
        "compare closed weeks with the chain": _entry("tasks.reconcile", daily, HOUR_SECONDS),
        "count closed weeks": _entry("tasks.recount", sweep_seconds, sweep_seconds),
        "keep stakes": _entry("tasks.stakes", every_six_hours, HOUR_SECONDS),
        "compare everything with its sources": _entry("tasks.check", on_tuesday, HOUR_SECONDS),
        "archive old weeks": _entry("tasks.archive", on_wednesday, HOUR_SECONDS),
        "add up the running week": _entry("tasks.running_week", HOUR_SECONDS, HOUR_SECONDS),
        "open and close votes": _entry("tasks.governance", sweep_seconds, sweep_seconds),
    }


def _entry(task: str, schedule: Any, expires: float) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": schedule,
        "options": {"expires": expires, "queue": "control"},
    }
