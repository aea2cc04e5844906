"""Gathers the contents of a week's report from the database: exact numbers, and advice."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from worker.core.cost import Cost, OtherTransaction
from worker.core.lifecycle import PayoutStatus, Status
from worker.core.money import ONE_TOKEN
from worker.core.payout.advice import BY_OPERATOR, NO_REASON, VOID_BATCH, advice
from worker.core.payout.chain import Costs
from worker.core.payout.records import Payout, PayoutKind, Reward
from worker.core.plan.fates import Fates
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.totals import point_to_token_ratio
from worker.core.report.spread import Spread, spread
from worker.core.week import Week
from worker.ports.payout import Store
from worker.ports.report import ReportStore, TypeTally
from worker.services.payout.pages import other_transaction_pages, payout_pages
from worker.services.plan.planned_week import plan_of
from worker.services.week.status import Board, board
from worker.services.wiki.as_planned import as_planned
from worker.services.wiki_context import WikiContext

CHUNK = 5000
TOP = 10
TREND_WEEKS = 12
USERS_NAMED = 20


@dataclass(slots=True)
class Group:
    """Unpaid rewards with the same reason. `amount` is in base units."""

    reason: str
    what_to_do: str
    count: int = 0
    amount: int = 0
    users: list[str] = field(default_factory=list)
    """The first users, at most `USERS_NAMED`."""

    def add(self, reward: Reward) -> None:
        self.count += 1
        self.amount += reward.row.amount
        if len(self.users) < USERS_NAMED:
            self.users.append(reward.user_id)


@dataclass(frozen=True, slots=True)
class TrendWeek:
    board: Board
    ratio: Fraction | None


@dataclass(frozen=True, slots=True)
class WeekReport:
    """`cluster` is the explorer's name for it; None if the chain did not answer."""

    made_at: datetime
    cluster: str | None
    board: Board
    ratio: Fraction
    """KONTRIB for a weighted point."""
    spread: Spread
    rewards: Sequence[Reward]
    """In canonical order."""
    names: Mapping[str, str]
    """The wiki's names of users that have one, by id."""
    types: Mapping[str, TypeTally]
    """Sorted by points, highest first."""
    excluded: Mapping[str, int]
    excluded_points: int
    contributions: Fates | None
    """None for a plan that was adopted from its file."""
    held: Sequence[Group]
    failed: Sequence[Group]
    payouts: Sequence[Payout]
    """Batches in order, then singles."""
    other_transactions: Sequence[OtherTransaction]
    """Those that cost something, or whose cost is not readable yet."""
    cost: Cost
    trend: Sequence[TrendWeek]

    @property
    def top(self) -> list[Reward]:
        return heapq.nsmallest(TOP, self.rewards, key=lambda r: (-r.row.amount, r.user_id))

    @property
    def points_missing(self) -> int:
        """Counted points that today's contributions lack. Negative if they have more."""
        if self.board.is_historic:
            return 0
        today = sum(each.points for each in self.types.values())
        return self.board.points + self.excluded_points - today


def week_report(
    wiki: WikiContext,
    reports: ReportStore,
    week: Week,
    *,
    cluster: str | None,
    costs: Costs | None,
    name_field: str,
) -> WeekReport:
    """
    `name_field` is the field of a user's document that holds the name.

    Raises:
        NotPlanned: there is nothing to report yet.
    """
    store, distribution = wiki.store, wiki.store.distribution(week)
    if distribution is not None and distribution.historic is not None:
        return _historic_report(wiki, reports, week, cluster, name_field)
    planned = plan_of(week, distribution)
    found, payouts = board(store, week), _payouts(store, planned)
    gathered = _gather(store, planned, payouts)
    types = reports.points_by_type(*as_planned(wiki, planned))
    notes = found.notes.get("notes") or {}
    return WeekReport(
        made_at=wiki.now(),
        cluster=cluster,
        board=found,
        ratio=point_to_token_ratio(planned.header),
        spread=spread([reward.row.amount for reward in gathered.rewards]),
        rewards=gathered.rewards,
        names=reports.names({reward.user_id for reward in gathered.rewards}, name_field),
        types=dict(sorted(types.items(), key=lambda each: (-each[1].points, each[0]))),
        excluded=notes.get("excluded") or {},
        excluded_points=notes.get("excluded_points") or 0,
        contributions=Fates.read(notes.get("contributions")),
        held=gathered.groups(Status.PENDING),
        failed=gathered.groups(Status.FAILED),
        payouts=payouts,
        other_transactions=_other_transactions(store, week),
        cost=found.cost(costs),
        trend=[_trend_week(store, each) for each in _trend_weeks(store, week)],
    )


def _historic_report(
    wiki: WikiContext, reports: ReportStore, week: Week, cluster: str | None, name_field: str
) -> WeekReport:
    """A week that another system distributed: its own figures, and its rewards as they stand."""
    found, rewards = board(wiki.store, week), reports.historic_rewards(week)
    of_points = Fraction(found.planned, ONE_TOKEN * found.points) if found.points else Fraction(0)
    return WeekReport(
        made_at=wiki.now(),
        cluster=cluster,
        board=found,
        ratio=of_points,
        spread=spread([reward.row.amount for reward in rewards]),
        rewards=rewards,
        names=reports.names({reward.user_id for reward in rewards}, name_field),
        types={},
        excluded={},
        excluded_points=0,
        contributions=None,
        held=[],
        failed=[],
        payouts=[],
        other_transactions=[],
        cost=found.cost(None),
        trend=[_trend_week(wiki.store, each) for each in _trend_weeks(wiki.store, week)],
    )


def rewards_of_week(store: Store, reports: ReportStore, week: Week) -> Iterator[Reward]:
    """All rewards of a week: of its plan, or of another system that distributed it.

    Raises:
        NotPlanned: there are neither.
    """
    distribution = store.distribution(week)
    if distribution is not None and distribution.historic is not None:
        return iter(reports.historic_rewards(week))
    planned = plan_of(week, distribution)
    return (reward for chunk in reward_chunks(store, planned) for reward in chunk)


def reward_chunks(store: Store, planned: PlannedWeek) -> Iterator[list[Reward]]:
    """The plan's rewards in canonical order."""
    rewards = planned.header.rewards
    for first in range(0, rewards, CHUNK):
        yield store.rewards(planned.plan_id, range(first, min(first + CHUNK, rewards)))


def _payouts(store: Store, planned: PlannedWeek) -> list[Payout]:
    pages = payout_pages(store, planned.plan_id, CHUNK)
    found = [each for page in pages for each in page if each.kind is not PayoutKind.ANCHOR]
    return sorted(found, key=lambda each: (each.kind.value, each.index))


def _other_transactions(store: Store, week: Week) -> list[OtherTransaction]:
    pages = other_transaction_pages(store, week, CHUNK)
    found = [each for page in pages for each in page if each.charge is None or each.charge.fee]
    return sorted(found, key=lambda each: each.kind.value)


@dataclass(slots=True)
class _Gathered:
    """The results of one pass over the rewards."""

    week: Week
    void_batches: frozenset[str]
    alone: frozenset[int]
    """Positions of rewards that have a single."""
    rewards: list[Reward] = field(default_factory=list)
    unpaid: dict[tuple[Status, str], Group] = field(default_factory=dict)

    def add(self, rewards: list[Reward]) -> None:
        self.rewards += rewards
        for reward in rewards:
            if (why := self._why_unpaid(reward)) is not None:
                if why not in self.unpaid:
                    self.unpaid[why] = Group(why[1], advice(why[1], self.week.label))
                self.unpaid[why].add(reward)

    def groups(self, status: Status) -> list[Group]:
        """The groups of a status, largest amount first."""
        made = [group for (listed, _), group in self.unpaid.items() if listed is status]
        return sorted(made, key=lambda group: (-group.amount, group.reason))

    def _why_unpaid(self, reward: Reward) -> tuple[Status, str] | None:
        """None if the reward is paid, or if a payout for it is under way."""
        if reward.status is Status.COMPLETED:
            return None
        if reward.operator_hold is not None:
            return Status.PENDING, BY_OPERATOR + reward.operator_hold
        if reward.status is Status.FAILED:
            return Status.FAILED, reward.reason or NO_REASON
        if reward.position in self.alone:
            return None
        if reward.row.batch in self.void_batches:
            return Status.PENDING, reward.reason or VOID_BATCH
        return None if reward.row.batch else (Status.PENDING, reward.reason or NO_REASON)


def _gather(store: Store, planned: PlannedWeek, payouts: Sequence[Payout]) -> _Gathered:
    gathered = _Gathered(
        planned.week,
        frozenset(
            p.id for p in payouts if p.kind is PayoutKind.BATCH and p.status is PayoutStatus.VOID
        ),
        frozenset(p.index for p in payouts if p.kind is PayoutKind.SINGLE),
    )
    for chunk in reward_chunks(store, planned):
        gathered.add(chunk)
    return gathered


def _trend_weeks(store: Store, week: Week) -> list[Week]:
    earliest = week.back(TREND_WEEKS - 1)
    first = store.first_week()
    return (max(first, earliest) if first else week).until(week) or [week]


def _trend_week(store: Store, week: Week) -> TrendWeek:
    distribution = store.distribution(week)
    planned = distribution.planned if distribution else None
    ratio = point_to_token_ratio(planned.header) if planned else None
    return TrendWeek(board(store, week), ratio)
