"""How the weeks stand, read from the database alone: it works while the chain is unreachable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worker.core.lifecycle import PayoutStatus, Stage, Status, status_of
from worker.core.money import BaseUnits
from worker.core.payout.records import Distribution, Progress, Tally
from worker.core.plan.commitment import Header
from worker.core.week import Week
from worker.ports.payout import Store

CHUNK_PAYOUTS = 500
NOTHING = Tally(0, BaseUnits(0))


@dataclass(frozen=True, slots=True)
class Board:
    """One week, for people. Amounts in base units."""

    week: Week
    stage: Stage
    status: Status
    contributors: int = 0
    points: int = 0
    batches: int = 0
    planned: int = 0
    paid: Tally = NOTHING
    unpaid: Tally = NOTHING
    """On their way, neither held nor failed."""
    held: Tally = NOTHING
    failed: Tally = NOTHING
    rewards: Mapping[Status, Tally] = field(default_factory=dict)
    payouts: Mapping[PayoutStatus, int] = field(default_factory=dict)
    fees: int = 0
    root: bytes | None = None
    signature: str | None = None
    reason: str | None = None
    next_attempt_at: datetime | None = None
    stopped: bool = False
    approved: bool = False
    completed_at: datetime | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A payout that is not resolved, and what keeps it."""

    payout_id: str
    reason: str
    next_attempt_at: datetime | None


def board(store: Store, week: Week) -> Board:
    """One week. A week that nobody touched yet is due."""
    distribution = store.distribution(week)
    if distribution is None:
        return Board(week, Stage.DUE, Status.PENDING)
    return _board(distribution, _progress(store, distribution), store.notes(week))


def overview(store: Store, now: datetime) -> list[Board]:
    """Every week that is over, from the first one on, and whatever else the database knows."""
    known = {d.week: d for d in store.distributions()}
    first, last = store.first_week(), Week.containing(now).previous()
    weeks = set(known) | set(first.until(last) if first else [])
    boards = []
    for week in sorted(weeks):
        distribution = known.get(week) or store.distribution(week)
        if distribution is None:
            boards.append(Board(week, Stage.DUE, Status.PENDING))
        else:
            boards.append(_board(distribution, _progress(store, distribution), {}))
    return boards


def obstacles(store: Store, week: Week, limit: int) -> list[Obstacle]:
    """The first payouts of an anchored plan that are tried again, and why."""
    distribution = store.distribution(week)
    if distribution is None or distribution.plan_id is None or not distribution.stage.is_payable:
        return []
    found: list[Obstacle] = []
    after = ""
    while len(found) < limit and (
        chunk := store.payouts_after(distribution.plan_id, after, CHUNK_PAYOUTS)
    ):
        found += [
            Obstacle(p.id, p.reason, p.next_attempt_at)
            for p in chunk
            if p.reason and not p.status.is_resolved
        ]
        after = chunk[-1].id
    return found[:limit]


def _progress(store: Store, distribution: Distribution) -> Progress | None:
    return store.progress(distribution.plan_id) if distribution.plan_id else None


def _board(
    distribution: Distribution, progress: Progress | None, notes: Mapping[str, Any]
) -> Board:
    header = Header.parse(distribution.header) if distribution.header else None
    rewards = progress.rewards if progress else {}
    failed = rewards.get(Status.FAILED, NOTHING)
    # A failed reward waits to be paid alone as well, so it is among the held ones, too.
    held = _less(progress.held, failed) if progress else NOTHING
    open_ones = _sum(rewards.get(s, NOTHING) for s in (Status.PENDING, Status.PROCESSING))
    return Board(
        week=distribution.week,
        stage=distribution.stage,
        status=status_of(distribution.stage, stopped=distribution.stopped),
        contributors=header.rewards if header else 0,
        points=header.total_points if header else 0,
        batches=header.batches if header else 0,
        planned=header.total_amount if header else 0,
        paid=rewards.get(Status.COMPLETED, NOTHING),
        unpaid=_less(open_ones, held),
        held=held,
        failed=failed,
        rewards=rewards,
        payouts=progress.payouts if progress else {},
        fees=progress.fees if progress else 0,
        root=distribution.root,
        signature=distribution.signature,
        reason=distribution.reason,
        next_attempt_at=distribution.next_attempt_at
        or (progress.next_attempt_at if progress else None),
        stopped=distribution.stopped,
        approved=distribution.approved,
        completed_at=distribution.completed_at,
        notes=notes,
    )


def _sum(tallies: Iterable[Tally]) -> Tally:
    listed = list(tallies)
    return Tally(sum(t.count for t in listed), BaseUnits(sum(t.amount for t in listed)))


def _less(tally: Tally, other: Tally) -> Tally:
    return Tally(max(0, tally.count - other.count), BaseUnits(max(0, tally.amount - other.amount)))
