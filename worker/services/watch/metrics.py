"""Collects figures for watchers from the database alone, without keys and RPC endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.core.lifecycle import Stage
from worker.core.payout.records import Distribution
from worker.core.watch.figures import Figures, FundsFigures, ReconciliationFigures, WeekFigures
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.watch.endpoints import endpoint_figures
from worker.services.week.status import Board, board

RECENT_WEEKS = 4
"""Completed weeks that are shown in detail, besides all open weeks."""
FUNDS = "funds"
BEAT, CANARY = "beat", "canary"
REACHED = "reached"
"""The note of a distribution with its first moment at each stage."""

_WAY = [Stage.PLANNED, Stage.ANCHORED, Stage.PREPARED, Stage.COMPLETED]


def collect_figures(store: Store, now: datetime, grace: timedelta) -> Figures:
    """The figures of this moment."""
    known = {d.week: d for d in store.distributions()}
    opened = open_weeks(store, known, now, grace)
    completed = [w for w, d in known.items() if d.stage is Stage.COMPLETED]
    shown = sorted({*completed[-RECENT_WEEKS:], *(w for w in opened if w in known)})
    return Figures(
        last_success=max((d.completed_at for d in known.values() if d.completed_at), default=None),
        weeks_open=len(opened),
        weeks_stopped=sum(d.stopped for d in known.values()),
        is_paused=store.paused() is not None,
        beat_at=store.last_beat(BEAT),
        canary_at=store.last_beat(CANARY),
        funds=funds_figures(store),
        weeks=[week_figures(board(store, week)) for week in shown],
        counts=store.counts(),
        endpoints=endpoint_figures(store),
    )


def open_weeks(
    store: Store, known: Mapping[Week, Distribution], now: datetime, grace: timedelta
) -> list[Week]:
    """Weeks that are over and not completed, those without a distribution included."""
    first, ended = store.first_week(), Week.containing(now - grace).previous()
    due = {w for w in known if w <= ended} | set(first.until(ended) if first else [])
    return [week for week in sorted(due) if not _is_completed(store, known.get(week), week)]


def _is_completed(store: Store, distribution: Distribution | None, week: Week) -> bool:
    if distribution is None:
        # Archived weeks are not listed. Only completed weeks are archived.
        distribution = store.distribution(week)
    return distribution is not None and distribution.stage is Stage.COMPLETED


def week_figures(week: Board) -> WeekFigures:
    """One week's board as numbers."""
    note = week.notes.get("reconciliation")
    return WeekFigures(
        week=week.week,
        rewards={status: tally.count for status, tally in week.rewards.items()},
        payouts=dict(week.payouts),
        amounts={
            "planned": week.planned,
            "paid": week.paid.amount,
            "open": week.unpaid.amount,
            "held": week.held.amount,
            "failed": week.failed.amount,
        },
        stage_seconds=stage_seconds(week.week, week.notes.get(REACHED) or {}),
        reconciliation=ReconciliationFigures(
            at=note["at"], mismatch=int(note["mismatch"]), differences=len(note["differences"])
        )
        if note
        else None,
    )


def stage_seconds(week: Week, reached: Mapping[str, datetime]) -> dict[Stage, float]:
    """Seconds from each stage to the next one, as far as both moments are known."""
    seconds: dict[Stage, float] = {}
    before: datetime | None = week.end
    for stage in _WAY:
        moment = reached.get(stage.value)
        if moment is not None and before is not None:
            seconds[stage] = max(0.0, (moment - before).total_seconds())
        before = moment
    return seconds


def funds_figures(store: Store) -> FundsFigures | None:
    """The treasury as a worker last saw it."""
    found = store.figures(FUNDS)
    return FundsFigures(**found) if found else None
