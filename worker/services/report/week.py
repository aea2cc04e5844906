"""Everything that a report says of a week, gathered from the database alone, exact throughout."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.records import (
    Costs,
    Distribution,
    Payout,
    PayoutKind,
    Reward,
)
from worker.core.plan.commitment import Header
from worker.core.plan.ratio import point_to_token_ratio
from worker.core.report.spread import Spread, spread
from worker.core.week import Week
from worker.ports.payout import Store
from worker.ports.report import ReportStore, TypeTally
from worker.services.plan.planned_week import NotPlanned, plan_of
from worker.services.report.advice import BY_OPERATOR, NO_REASON, VOID_BATCH
from worker.services.week.status import Board, board
from worker.services.wiki.as_planned import as_planned
from worker.services.wiki_context import WikiContext

CHUNK = 5000
TOP = 10
TREND_WEEKS = 12
USERS_NAMED = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Rewards that are not paid, for one reason. Amount in base units."""

    reason: str
    count: int
    amount: int
    users: tuple[str, ...]
    """The first of them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the week cost, in lamports. Rents are None where the chain could not be asked."""

    fees: int
    receipts: int
    accounts: int
    """Recipients who had no token account when the week was planned."""
    receipts_rent: int | None
    accounts_rent: int | None

    @property
    def total(self) -> int | None:
        if self.receipts_rent is None or self.accounts_rent is None:
            return None
        return self.fees + self.receipts_rent + self.accounts_rent


@dataclass(frozen=True, slots=True)
class TrendWeek:
    board: Board
    ratio: Fraction | None


@dataclass(frozen=True, slots=True)
class WeekReport:
    """`cluster` is the explorer's name of it; None where the chain could not be asked."""

    made_at: datetime
    cluster: str | None
    board: Board
    header: Header
    ratio: Fraction
    spread: Spread | None
    top: Sequence[Reward]
    types: Mapping[str, TypeTally]
    excluded: Mapping[str, int]
    excluded_points: int
    held: Sequence[Group]
    failed: Sequence[Group]
    payouts: Sequence[Payout]
    """Batches in order, then what was paid alone."""
    cost: Cost
    trend: Sequence[TrendWeek]

    @property
    def points_missing(self) -> int:
        """Points that the plan counted and today's contributions do not have, or the reverse."""
        today = sum(each.points for each in self.types.values())
        return self.header.total_points + self.excluded_points - today


def week_report(
    wiki: WikiContext,
    reports: ReportStore,
    week: Week,
    *,
    cluster: str | None,
    costs: Costs | None,
) -> WeekReport:
    """
    Raises:
        NotPlanned: there is nothing to report yet.
    """
    store, distribution = wiki.store, wiki.store.distribution(week)
    if distribution is None or distribution.header is None:
        raise NotPlanned(week)
    header, found = Header.parse(distribution.header), board(store, week)
    payouts = _payouts(store, distribution)
    gathered = _Gathered(_states(payouts))
    for chunk in reward_chunks(store, distribution):
        gathered.add(chunk)
    notes = found.notes.get("notes") or {}
    return WeekReport(
        made_at=wiki.now(),
        cluster=cluster,
        board=found,
        header=header,
        ratio=point_to_token_ratio(header),
        spread=spread(gathered.amounts),
        top=gathered.top,
        types=reports.points_by_type(*as_planned(wiki, plan_of(week, distribution))),
        excluded=notes.get("excluded") or {},
        excluded_points=notes.get("excluded_points") or 0,
        held=gathered.groups(Status.PENDING),
        failed=gathered.groups(Status.FAILED),
        payouts=payouts,
        cost=_cost(store, distribution, found, payouts, costs),
        trend=[_trend_week(store, each) for each in _trend_weeks(store, week)],
    )


def reward_chunks(store: Store, distribution: Distribution) -> Iterator[list[Reward]]:
    """The plan's rewards in canonical order."""
    header = Header.parse(distribution.header or b"")
    for first in range(0, header.rewards, CHUNK):
        positions = range(first, min(first + CHUNK, header.rewards))
        yield store.rewards(distribution.plan_id or "", positions)


def _payouts(store: Store, distribution: Distribution) -> list[Payout]:
    found, after, plan_id = [], "", distribution.plan_id or ""
    while chunk := store.payouts_after(plan_id, after, CHUNK):
        found += [each for each in chunk if each.kind is not PayoutKind.ANCHOR]
        after = chunk[-1].id
    return sorted(found, key=lambda each: (each.kind.value, each.index))


@dataclass(frozen=True, slots=True)
class _States:
    void_batches: frozenset[str]
    alone: frozenset[int]
    """Positions of rewards that a payout of their own is on its way to pay."""


def _states(payouts: Iterable[Payout]) -> _States:
    listed = list(payouts)
    void = {p.id for p in listed if p.kind is PayoutKind.BATCH and p.status is PayoutStatus.VOID}
    alone = {p.index for p in listed if p.kind is PayoutKind.SINGLE}
    return _States(frozenset(void), frozenset(alone))


@dataclass(slots=True)
class _Gathered:
    """What one look at every reward finds."""

    states: _States
    amounts: list[int] = field(default_factory=list)
    top: list[Reward] = field(default_factory=list)
    _groups: dict[tuple[Status, str], tuple[int, int, list[str]]] = field(default_factory=dict)

    def add(self, rewards: list[Reward]) -> None:
        self.amounts += [reward.row.amount for reward in rewards]
        self.top = heapq.nsmallest(
            TOP, [*self.top, *rewards], key=lambda r: (-r.row.amount, r.user_id)
        )
        for reward in rewards:
            if (why := self._why_unpaid(reward)) is not None:
                count, amount, users = self._groups.get(why, (0, 0, []))
                named = users if len(users) >= USERS_NAMED else [*users, reward.user_id]
                self._groups[why] = (count + 1, amount + reward.row.amount, named)

    def groups(self, status: Status) -> list[Group]:
        """The largest first."""
        made = [
            Group(reason, count, amount, tuple(users))
            for (group, reason), (count, amount, users) in self._groups.items()
            if group is status
        ]
        return sorted(made, key=lambda group: (-group.amount, group.reason))

    def _why_unpaid(self, reward: Reward) -> tuple[Status, str] | None:
        """None where it is paid, or on its way without anything that keeps it."""
        if reward.status is Status.COMPLETED:
            return None
        if reward.operator_hold is not None:
            return Status.PENDING, BY_OPERATOR + reward.operator_hold
        if reward.status is Status.FAILED:
            return Status.FAILED, reward.reason or NO_REASON
        if reward.position in self.states.alone:
            return None
        if reward.row.batch in self.states.void_batches:
            return Status.PENDING, reward.reason or VOID_BATCH
        return None if reward.row.batch else (Status.PENDING, reward.reason or NO_REASON)


def _cost(
    store: Store,
    distribution: Distribution,
    found: Board,
    payouts: Sequence[Payout],
    costs: Costs | None,
) -> Cost:
    anchor = 2 if distribution.stage.is_frozen else 0  # the anchor has two receipts
    receipts = sum(payout.status.is_resolved for payout in payouts) + anchor
    accounts = store.count_needing_account(distribution.plan_id or "")
    return Cost(
        fees=found.fees,
        receipts=receipts,
        accounts=accounts,
        receipts_rent=receipts * costs.receipt_rent if costs else None,
        accounts_rent=accounts * costs.token_account_rent if costs else None,
    )


def _trend_weeks(store: Store, week: Week) -> list[Week]:
    earliest = week.back(TREND_WEEKS - 1)
    first = store.first_week()
    return (max(first, earliest) if first else week).until(week) or [week]


def _trend_week(store: Store, week: Week) -> TrendWeek:
    found, distribution = board(store, week), store.distribution(week)
    if found.stage is Stage.DUE or distribution is None or distribution.header is None:
        return TrendWeek(found, None)
    return TrendWeek(found, point_to_token_ratio(Header.parse(distribution.header)))
