"""Decides when people learn that a week is stuck."""

from __future__ import annotations

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.week import Week

NOT_BEGUN = "no worker has planned it"


def stuck_text(week: Week, distribution: Distribution | None, *, overdue: bool) -> str | None:
    """A text if the week stopped, or is open although it is overdue; else None."""
    stage = distribution.stage if distribution else Stage.DUE
    reason = ((distribution.reason if distribution else None) or NOT_BEGUN).rstrip(".")
    look = f"Look with `kontrib status {week.label}`."
    if distribution is not None and distribution.stopped:
        return f"{week.label} stopped: {reason}. {look}"
    if stage is not Stage.COMPLETED and overdue:
        return f"{week.label} is stuck ({stage.value}): {reason}. {look}"
    return None
