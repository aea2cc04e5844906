"""A week that has a plan: its header is parsed, and no field is missing."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.lifecycle import Stage
from worker.core.plan.commitment import Header
from worker.core.week import Week


@dataclass(frozen=True, slots=True)
class PlannedWeek:
    """The plan of a week as the database has it. Only the root's receipt on chain proves it."""

    week: Week
    plan_id: str
    header: Header
    root: bytes
    """32 bytes. The anchor commits to it."""
    held_root: bytes
    """32 bytes: the root of the held rows."""
    stage: Stage
    approved: bool = False
    """Whether an operator approved the plan, for rules that require it."""
