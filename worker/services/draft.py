"""A week's plan before it is *the* plan: computed, sealed, and not yet written anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from worker.core.allocation import Allocation, allocate
from worker.core.commitment import Header, Row
from worker.core.lifecycle import Status
from worker.core.money import BaseUnits
from worker.core.receipts import BatchId
from worker.core.records import MalformedContribution, PlanNotes, Reward
from worker.core.roster import Entrant, Roster
from worker.core.rules import Rules
from worker.core.week import Week
from worker.services.context import Context
from worker.services.eligibility import (
    OVER_ACCOUNT_CAP,
    Exclusions,
    call_the_roll,
    points_window,
)

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
        for position, (entrant, amount) in enumerate(self._held(), start=payable):
            yield self._reward(plan_id, position, entrant, amount, "")

    def top(self, count: int) -> list[tuple[Entrant, BaseUnits]]:
        """The largest rewards, largest first."""
        pairs = zip(self.roster, self.allocation.amounts, strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0].user_id))[:count]

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
    """
    rules = context.rules()
    window = points_window(week, first_week, cutoff, previous.cutoff)
    roster, excluded = call_the_roll(context, window, rules)
    roster = _cap_new_accounts(roster, rules.max_new_accounts_per_week)
    allocation = allocate([e.points for e in roster], [e.multiplier for e in roster], rules.policy)
    malformed = context.store.malformed(window, rules, MALFORMED_LISTED_MAX)
    held = Counter(e.hold for e in roster if e.hold)
    size = batch_size or context.chain.costs().transfers_per_transaction
    payable = len(roster) - held.total()
    header = Header(
        week=week,
        cutoff=cutoff,
        previous_root=previous.root,
        mint=context.chain.mint,
        rules=rules.snapshot(),
        batch_size=size,
        batches=-(-payable // size),
        rewards=len(roster),
        held=held.total(),
        total_points=sum(e.points for e in roster),
        total_weight=sum(e.weight for e in roster),
        total_amount=allocation.total,
        floor_waived=allocation.floor_waived,
    )
    notes = _notes(roster, allocation, excluded, malformed, held)
    new_accounts = sum(e.needs_account for e in roster)
    return Draft(week, rules, header, roster, allocation, notes, new_accounts)


def _cap_new_accounts(roster: Roster, limit: int) -> Roster:
    """Hold those beyond the week's limit of accounts created at our cost."""
    if sum(e.needs_account for e in roster) <= limit:
        return roster

    def capped() -> Iterator[Entrant]:
        created = 0
        for entrant in roster:
            created += entrant.needs_account
            if entrant.needs_account and created > limit:
                yield replace(entrant, wallet="", hold=OVER_ACCOUNT_CAP, needs_account=False)
            else:
                yield entrant

    return Roster(capped())


def _notes(
    roster: Roster,
    allocation: Allocation,
    excluded: Exclusions,
    malformed: tuple[int, list[MalformedContribution]],
    held: Counter[str],
) -> PlanNotes:
    count, listed = malformed
    return PlanNotes(
        excluded=dict(excluded.reasons),
        excluded_points=excluded.points,
        held=dict(held),
        malformed_count=count,
        malformed=tuple(listed),
        late_points=sum(e.late_points for e in roster),
        floor_waived=allocation.floor_waived,
        lifted=allocation.lifted,
    )
