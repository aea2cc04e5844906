"""The numbers that monitoring shows, without any library for metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.week import Week

RPC_CALLS = "rpc_calls/"
"""Prefix of running counts: RPC calls by method."""
RPC_ERRORS = "rpc_errors/"
"""Prefix of running counts: failed RPC requests by kind."""
RE_SIGNS = "re_signs"
"""Name of a running count: payments signed anew after their first attempt expired or failed."""


@dataclass(frozen=True, slots=True)
class ReconciliationFigures:
    """The last comparison of plan, database and chain. Amounts in base units."""

    at: datetime
    mismatch: int
    differences: int


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """One week. Amounts in base units, by `planned`, `paid`, `open`, `held` and `failed`."""

    week: Week
    rewards: Mapping[Status, int]
    payouts: Mapping[PayoutStatus, int]
    amounts: Mapping[str, int]
    stage_seconds: Mapping[Stage, float]
    """Seconds from the stage before to each stage. The first count begins at the week's end."""
    reconciliation: ReconciliationFigures | None


@dataclass(frozen=True, slots=True)
class FundsFigures:
    """The treasury, and the need of the coming week and all open weeks."""

    at: datetime
    base_units: int
    base_units_needed: int
    allowance_base_units: int | None
    lamports: int
    lamports_needed: int

    @property
    def is_enough(self) -> bool:
        tokens = self.base_units
        if self.allowance_base_units is not None:
            tokens = min(tokens, self.allowance_base_units)
        return tokens >= self.base_units_needed and self.lamports >= self.lamports_needed


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """One RPC endpoint. `problem` is empty for an endpoint that can be used."""

    host: str
    problem: str
    slots_behind: int


@dataclass(frozen=True, slots=True)
class BrokerFigures:
    """The broker's queues and the workers that answer."""

    waiting: Mapping[str, int]
    """Messages that wait, by queue."""
    oldest_sent_at: float | None
    """The Unix timestamp of the message that waits longest; None if no message waits."""
    workers: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers at one moment. The time of an event that never happened is None."""

    last_success: datetime | None
    weeks_open: int
    """Weeks that are over, their grace included, and not completed."""
    weeks_stopped: int
    is_paused: bool
    beat_at: datetime | None
    canary_at: datetime | None
    funds: FundsFigures | None
    weeks: Sequence[WeekFigures] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    endpoints: Sequence[EndpointFigures] = ()
