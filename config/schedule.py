"""When beat wakes what. Data only: the tasks find out themselves what is due.

Every entry carries `expires`, or wake-ups would pile up while no worker runs. Nothing depends
on any one of them: the sweep finds whatever a lost message left behind.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

HOUR_SECONDS = 3600


def beat_schedule(sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """The beat entries; `sweep_seconds` is 300 in production."""
    return {
        "close the week that ended": {
            "task": "tasks.distribute",
            "schedule": crontab(minute="0", hour="0", day_of_week="mon"),
            "options": {"expires": HOUR_SECONDS, "queue": "control"},
        },
        "sweep what is due": {
            "task": "tasks.sweep",
            "schedule": sweep_seconds,
            "options": {"expires": sweep_seconds, "queue": "control"},
        },
    }
