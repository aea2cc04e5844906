"""A week's plan before it is *the* plan: computed, sealed, and not yet written anywhere."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.payout.hold import OVER_ACCOUNT_CAP
from worker.core.payout.records import PlanNotes, Reward, WeekPoints
from worker.core.plan.allocation import Allocation, allocate
from worker.core.plan.commitment import Header, Row
from worker.core.plan.entrant import Entrant
from worker.core.plan.receipts import BatchId
from worker.core.plan.rules import Rules
from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.eligibility import Exclusions, call_the_roll, points_window
from worker.services.plan.roster import Roster

MALFORMED_LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that a plan will hold. Rows are made anew on each pass over them."""

    week: Week
    rules: Rules
    header: Header
    roster: Roster
    allocation: Allocation
    notes: PlanNotes
    new_accounts: int

    def rewards(self, plan_id: str) -> Iterator[Reward]:
        """All rewards in plan order: batched ones first, then held ones."""
        size, payable = self.header.batch_size, self.header.rewards - self.header.held
        for position, (entrant, amount) in enumerate(self._batched()):
            batch = str(BatchId(self.week, position // size))
            yield self._reward(plan_id, position, entrant, amount, batch)
        if not self.header.held:
            return  # without another pass over all
        for position, (entrant, amount) in enumerate(self._held(), start=payable):
            yield self._reward(plan_id, position, entrant, amount, "")

    def top(self, count: int) -> list[tuple[Entrant, BaseUnits]]:
        """The largest rewards, largest first."""
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return heapq.nsmallest(count, pairs, key=lambda pair: (-pair[1], pair[0].user_id))

    def _batched(self) -> Iterator[tuple[Entrant, BaseUnits]]:
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return (pair for pair in pairs if not pair[0].hold)

    def _held(self) -> Iterator[tuple[Entrant, BaseUnits]]:
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return (pair for pair in pairs if pair[0].hold)

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


@dataclass(frozen=True, slots=True)
class Previous:
    """What a plan takes from the one before it; nothing for the first week."""

    root: bytes = b""
    cutoff: int | None = None


def make_draft(
    context: Context,
    week: Week,
    first_week: Week,
    cutoff: int,
    previous: Previous,
    *,
    batch_size: int | None = None,
) -> Draft:
    """Compute a week's plan from the wiki's data as it is now. Writes nothing.

    `batch_size` is the anchored one when a plan is made again; else what every endpoint takes.

    Raises:
        MalformedRules: system_config cannot be used.
        UserTwice, NoRoomToSort: the roster cannot be made.
    """
    rules = context.rules()
    window = points_window(week, first_week, cutoff, previous.cutoff)
    points = context.store.week_points(window, rules, MALFORMED_LISTED_MAX)
    roster, excluded = call_the_roll(context, week, points.users, rules)
    roster, counted = _cap_new_accounts(roster, rules.max_new_accounts_per_week)
    allocation = allocate(counted.points, counted.multipliers, rules.policy)
    size = batch_size or context.chain.costs().transfers_per_transaction
    held = counted.held.total()
    header = Header(
        week=week,
        cutoff=cutoff,
        previous_root=previous.root,
        mint=context.chain.mint,
        rules=rules.snapshot(),
        batch_size=size,
        batches=-(-(len(roster) - held) // size),
        rewards=len(roster),
        held=held,
        total_points=sum(counted.points),
        total_weight=counted.weight,
        total_amount=allocation.total,
        floor_waived=allocation.floor_waived,
    )
    notes = _notes(counted, allocation, excluded, points)
    return Draft(week, rules, header, roster, allocation, notes, counted.new_accounts)


@dataclass(slots=True)
class _Counted:
    """What one pass over a roster finds: a pass over a large one takes seconds."""

    points: array[int] = field(default_factory=lambda: array("Q"))
    multipliers: array[int] = field(default_factory=lambda: array("Q"))
    """In millionths. Like points, they fit: a roster packs both into 64 bits."""
    held: Counter[str] = field(default_factory=Counter)
    weight: int = 0
    late_points: int = 0
    new_accounts: int = 0


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


def _cap_new_accounts(roster: Roster, limit: int) -> tuple[Roster, _Counted]:
    """Hold those beyond the week's limit of accounts created at our cost."""
    counted = _count(roster)
    if counted.new_accounts <= limit:
        return roster, counted

    def capped() -> Iterator[Entrant]:
        created = 0
        for entrant in roster:
            created += entrant.needs_account
            if entrant.needs_account and created > limit:
                yield replace(entrant, wallet="", hold=OVER_ACCOUNT_CAP, needs_account=False)
            else:
                yield entrant

    rest = Roster(capped())
    return rest, _count(rest)


def _notes(
    counted: _Counted,
    allocation: Allocation,
    excluded: Exclusions,
    points: WeekPoints,
) -> PlanNotes:
    return PlanNotes(
        excluded=dict(excluded.reasons),
        excluded_points=excluded.points,
        held=dict(counted.held),
        malformed_count=points.malformed_count,
        malformed=points.malformed,
        late_points=counted.late_points,
        floor_waived=allocation.floor_waived,
        lifted=allocation.lifted,
    )
