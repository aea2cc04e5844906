"""Computes a week's plan, and writes nothing."""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from worker.core.chunks import chunks
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.payout.records import PlanNotes, Reward, WeekPoints
from worker.core.plan.allocation import Allocation, allocate
from worker.core.plan.commitment import Header, Row
from worker.core.plan.counted_contributions import points_window
from worker.core.plan.entrant import Entrant, cap_new_accounts
from worker.core.plan.fates import Fates
from worker.core.week import Week
from worker.ports.payout import Store
from worker.services.context import Context
from worker.services.plan.anchored.previous import Previous
from worker.services.plan.eligibility import Exclusions, list_eligible_users
from worker.services.plan.publish import held_by_operators
from worker.services.plan.roster import Roster

MALFORMED_LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of a plan. Each pass over the rewards computes them again."""

    header: Header
    roster: Roster
    allocation: Allocation
    notes: PlanNotes
    new_accounts: int

    def rewards(self, plan_id: str) -> Iterator[Reward]:
        """All rewards in plan order: batched ones first, then held ones."""
        positions = itertools.count()
        for index, pairs in enumerate(chunks(self._pairs(held=False), self.header.batch_size)):
            batch = str(self.header.batch_id(index))
            for entrant, amount in pairs:
                yield self._reward(plan_id, next(positions), entrant, amount, batch)
        if not self.header.held:
            return  # spares a pass over all rewards
        for entrant, amount in self._pairs(held=True):
            yield self._reward(plan_id, next(positions), entrant, amount, "")

    def top(self, count: int) -> list[tuple[Entrant, BaseUnits]]:
        """The largest rewards, largest first."""
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return heapq.nsmallest(count, pairs, key=lambda pair: (-pair[1], pair[0].user_id))

    def held(self, count: int) -> list[tuple[Entrant, BaseUnits]]:
        """The first held rewards, in plan order."""
        return list(itertools.islice(self._pairs(held=True), count)) if self.header.held else []

    def _pairs(self, *, held: bool) -> Iterator[tuple[Entrant, BaseUnits]]:
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return (pair for pair in pairs if bool(pair[0].hold) is held)

    def _reward(
        self, plan_id: str, position: int, entrant: Entrant, amount: BaseUnits, batch: str
    ) -> Reward:
        return Reward(
            plan_id=plan_id,
            position=position,
            user_id=entrant.user_id,
            row=Row(
                user=entrant.commitment,
                wallet=entrant.wallet,
                points=entrant.points,
                weight=entrant.weight,
                amount=amount,
                batch=batch,
            ),
            late_points=entrant.late_points,
            multiplier=entrant.multiplier,
            status=Status.PENDING,
            reason=entrant.hold or None,
            needs_account=entrant.needs_account,
        )


def make_draft(
    context: Context,
    week: Week,
    cutoff: int,
    previous: Previous,
    *,
    batch_size: int | None = None,
    held: Collection[str] | None = None,
) -> Draft:
    """Compute a week's plan from the wiki's current data. Writes nothing.

    `batch_size`: the size of an anchored plan that is computed again. The default is the largest
    size that every endpoint accepts. `held`: the users whose reward is held; the default is those
    whose reward an operator holds now.

    Raises:
        MalformedRules: system_config cannot be used.
        UserTwice, NoRoomToSort: the roster cannot be made.
        ContributionsUnaccounted: a contribution was lost or counted twice.
    """
    rules = context.rules()
    window = points_window(week, previous.since, cutoff, previous.cutoff)
    points = context.store.week_points(window, rules, MALFORMED_LISTED_MAX)
    excluded = Exclusions()
    users = held_by_operators(context.store, week) if held is None else held
    entrants = list_eligible_users(context, week, points.users, rules, excluded, users)
    roster, counted = _make_roster(entrants, rules.max_new_accounts_per_week)
    allocation = allocate(counted.points, counted.multipliers, rules.policy)
    size = batch_size or context.chain.costs().transfers_per_transaction
    held_count = counted.held.total()
    header = Header(
        week=week,
        cutoff=cutoff,
        previous_root=previous.root,
        mint=context.chain.mint,
        rules=rules.snapshot(),
        batch_size=size,
        batches=-(-(len(roster) - held_count) // size),
        rewards=len(roster),
        held=held_count,
        total_points=sum(counted.points),
        total_weight=counted.weight,
        total_amount=allocation.total,
        floor_waived=allocation.floor_waived,
    )
    _fates(counted, excluded, points).check(week)
    notes = _notes(context.store, week, counted, allocation, excluded, points)
    return Draft(header, roster, allocation, notes, counted.new_accounts)


@dataclass(slots=True)
class _Counted:
    """Sums over a roster, made in one pass: a pass over a large roster takes seconds."""

    points: array[int] = field(default_factory=lambda: array("Q"))
    multipliers: array[int] = field(default_factory=lambda: array("Q"))
    """In millionths. The roster packs them into 64 bits, like the points."""
    held: Counter[str] = field(default_factory=Counter)
    weight: int = 0
    late_points: int = 0
    new_accounts: int = 0


def _make_roster(entrants: Iterator[Entrant], new_accounts_max: int) -> tuple[Roster, _Counted]:
    roster = Roster(entrants)
    counted = _count(roster)
    if counted.new_accounts > new_accounts_max:
        roster = Roster(cap_new_accounts(roster, new_accounts_max))
        counted = _count(roster)
    return roster, counted


def _count(roster: Roster) -> _Counted:
    counted = _Counted()
    for entrant in roster:
        counted.points.append(entrant.points)
        counted.multipliers.append(entrant.multiplier)
        counted.weight += entrant.weight
        counted.late_points += entrant.late_points
        counted.new_accounts += entrant.needs_account
        if entrant.hold:
            counted.held[entrant.hold] += 1
    return counted


def _fates(counted: _Counted, excluded: Exclusions, points: WeekPoints) -> Fates:
    return Fates(
        seen=points.seen,
        counted=excluded.counted,
        late=excluded.late,
        excluded=excluded.contributions,
        malformed=points.malformed_count,
        after_cutoff=points.after_cutoff,
        points=sum(counted.points),
        points_left_out=excluded.points + points.malformed_points,
    )


def _notes(
    store: Store,
    week: Week,
    counted: _Counted,
    allocation: Allocation,
    excluded: Exclusions,
    points: WeekPoints,
) -> PlanNotes:
    unusable = store.unusable_stakes(week)
    return PlanNotes(
        excluded=dict(excluded.reasons),
        excluded_points=excluded.points,
        excluded_users=excluded.users(store.user_ids),
        held=dict(counted.held),
        malformed_count=points.malformed_count,
        malformed=points.malformed,
        unusable_stakes_count=len(unusable),
        unusable_stakes=tuple(unusable[:MALFORMED_LISTED_MAX]),
        late_points=counted.late_points,
        floor_waived=allocation.floor_waived,
        lifted=allocation.lifted,
        contributions=_fates(counted, excluded, points),
        after_cutoff=points.after,
    )
