"""A week that has a plan: its header is read once, and nothing of it is optional."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.lifecycle import Stage
from worker.core.plan.commitment import Header
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class PlannedWeek:
    """The plan of a week, as the database names it. Only its root receipt proves it."""

    week: Week
    plan_id: str
    header: Header
    root: bytes
    """32 bytes: what the anchor commits to."""
    held_root: bytes
    """32 bytes: the root of the rows that are held."""
    stage: Stage
