"""The state of the weeks, read from the database alone: it works without the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from worker.core.cost import NOTHING_ELSE, Cost, OtherCharges, week_cost
from worker.core.lifecycle import PayoutStatus, Stage, Status, status_of
from worker.core.money import BaseUnits
from worker.core.payout.chain import Costs
from worker.core.payout.records import Distribution, PayoutKind, Progress, Tally
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.payout.pages import payout_pages

CHUNK_PAYOUTS = 500
UNREADABLE = "its stored header was changed; `kontrib rebuild WEEK --from-chain` restores it"
NOTHING = Tally(0, BaseUnits(0))
ANCHOR_RECEIPTS = 2


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
    """Neither paid, held nor failed."""
    held: Tally = NOTHING
    failed: Tally = NOTHING
    rewards: Mapping[Status, Tally] = field(default_factory=dict)
    payouts: Mapping[PayoutStatus, int] = field(default_factory=dict)
    payout_fees: int = 0
    """Lamports, of the transactions that resolved payouts."""
    receipts: int = 0
    """Receipts of payments and of the anchor. They are never closed."""
    void_receipts: int = 0
    other: OtherCharges = NOTHING_ELSE
    unrecorded_accounts: int = 0
    """See `Cost.unrecorded`."""
    root: bytes | None = None
    signature: str | None = None
    reason: str | None = None
    next_attempt_at: datetime | None = None
    stopped: bool = False
    approved: bool = False
    completed_at: datetime | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    paused: str | None = None
    """Why nothing is signed now."""
    is_historic: bool = False
    """Whether another system distributed the week. The figures are its own."""

    @property
    def fees(self) -> int:
        """Lamports, of all transactions of the week."""
        return self.cost(None).fees

    def cost(self, costs: Costs | None) -> Cost:
        """The cost of the week. Without today's `costs`, rents that are not recorded are None."""
        return week_cost(
            payout_fees=self.payout_fees,
            receipts=self.receipts,
            void_receipts=self.void_receipts,
            other=self.other,
            unrecorded=self.unrecorded_accounts,
            receipt_rent=None if costs is None else costs.receipt_rent,
            void_receipt_rent=None if costs is None else costs.void_receipt_rent,
            account_rent=None if costs is None else costs.token_account_rent,
        )


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A payout that waits for another try, or for the reading of its transaction."""

    payout_id: str
    reason: str
    next_attempt_at: datetime | None
    is_single: bool
    is_resolved: bool = False
    """Whether it is paid or void, and only its transaction is not readable yet."""


def board(store: Store, week: Week) -> Board:
    """One week, with its notes. A week that the database does not know is due."""
    found = store.distribution(week)
    if found is None:
        first, reason = store.first_week(), None
        if first is None:
            reason = "there is no genesis yet: `kontrib genesis --first-week WEEK`"
        elif week < first:
            reason = f"it lies before the first week, {first.label}, and is never paid"
        found = Distribution(week, Stage.DUE, reason=reason)
    return _board(store, found, store.notes(week), store.paused())


def overview(store: Store, now: datetime) -> list[Board]:
    """All weeks that are over, from the first one on, and all others that the database knows."""
    known = {d.week: d for d in store.distributions()}
    first, last = store.first_week(), Week.containing(now).previous()
    boards, paused = [], store.paused()
    for week in sorted({*known, *(first.until(last) if first else [])}):
        found = known.get(week) or store.distribution(week) or Distribution(week, Stage.DUE)
        boards.append(_board(store, found, {}, paused))
    return boards


def obstacles(store: Store, week: Week, limit: int | None) -> list[Obstacle]:
    """The first payouts of an anchored plan that wait, with the reasons. Unresolved ones first."""
    distribution = store.distribution(week)
    planned = distribution.readable_plan if distribution else None
    if planned is None or not planned.stage.is_payable:
        return []
    unread: list[Obstacle] = []
    waiting: list[Obstacle] = []
    for page in payout_pages(store, planned.plan_id, CHUNK_PAYOUTS):
        for p in page:
            if p.reason:
                found = unread if p.status.is_resolved else waiting
                is_single = p.kind is PayoutKind.SINGLE
                again, is_done = p.next_attempt_at, p.status.is_resolved
                found.append(Obstacle(p.id, p.reason, again, is_single, is_done))
        if limit is not None and len(waiting) >= limit:
            break
    return [*waiting, *unread][:limit]


def _board(
    store: Store, distribution: Distribution, notes: Mapping[str, Any], paused: str | None
) -> Board:
    unplanned = Board(
        week=distribution.week,
        stage=distribution.stage,
        status=status_of(distribution.stage, stopped=distribution.stopped),
        root=distribution.root,
        signature=distribution.signature,
        reason=distribution.reason,
        next_attempt_at=distribution.next_attempt_at,
        stopped=distribution.stopped,
        approved=distribution.approved,
        completed_at=distribution.completed_at,
        notes=notes,
        paused=paused,
    )
    if (historic := distribution.historic) is not None:
        return replace(
            unplanned,
            status=historic.status,
            contributors=historic.contributors,
            points=historic.points,
            planned=historic.amount,
            is_historic=True,
        )
    if (planned := distribution.readable_plan) is None:
        is_changed = distribution.plan_id is not None and not distribution.reason
        return replace(unplanned, reason=UNREADABLE) if is_changed else unplanned
    header, progress = planned.header, store.progress(planned.plan_id)
    rewards = progress.rewards
    failed = rewards.get(Status.FAILED, NOTHING)
    # A failed reward waits to be paid alone, too, so the store counts it as held.
    held = _less(progress.held, failed)
    open_ones = _sum(rewards.get(s, NOTHING) for s in (Status.PENDING, Status.PROCESSING))
    counted = replace(
        unplanned,
        contributors=header.rewards,
        points=header.total_points,
        batches=header.batches,
        planned=header.total_amount,
        paid=rewards.get(Status.COMPLETED, NOTHING),
        unpaid=_less(open_ones, held),
        held=held,
        failed=failed,
        rewards=rewards,
        payouts=progress.payouts,
        next_attempt_at=distribution.next_attempt_at or progress.next_attempt_at,
    )
    return _with_cost(store, planned, progress, counted)


def _with_cost(store: Store, planned: PlannedWeek, progress: Progress, found: Board) -> Board:
    other = store.other_charges(planned.week)
    return replace(
        found,
        payout_fees=progress.fees,
        receipts=progress.paid + (ANCHOR_RECEIPTS if planned.stage.is_frozen else 0),
        void_receipts=progress.void,
        other=other,
        unrecorded_accounts=_unrecorded(store, planned, other),
    )


def _unrecorded(store: Store, planned: PlannedWeek, other: OtherCharges) -> int:
    """The accounts of a plan if no creation is recorded: an older version created them, or the
    database was lost and rebuilt from the chain."""
    if other.creations or not planned.stage.is_payable:
        return 0
    return store.count_needing_account(planned.plan_id)


def _sum(tallies: Iterable[Tally]) -> Tally:
    listed = list(tallies)
    return Tally(sum(t.count for t in listed), BaseUnits(sum(t.amount for t in listed)))


def _less(tally: Tally, other: Tally) -> Tally:
    return Tally(max(0, tally.count - other.count), BaseUnits(max(0, tally.amount - other.amount)))
