"""Plan = database = chain, in base units: three sums and every difference between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.core.lifecycle import PayoutStatus, Status
from worker.core.payout.chain import Execution
from worker.core.payout.intent import moved
from worker.core.payout.records import Distribution, Payout, PayoutKind
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Seal
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan
from worker.services.payout.settle import RESOLVED, paid_as_planned, read_back
from worker.services.plan.planned_week import plan_of
from worker.services.plan.seal import anchored_seal, stored_rows

CHUNK_PAYOUTS = 128
"""How many transactions are read at once: each takes some 150 kB of memory while it is."""
LISTED_MAX = 100


@dataclass(slots=True)
class Reconciliation:
    """Sums in base units. `is_exact` only if all agree and no payout differs."""

    week: Week
    planned: int
    database_paid: int = 0
    database_unpaid: int = 0
    on_its_way: int = 0
    """What of it an unresolved payout, or a single that is still to be made, will pay."""
    chain_paid: int = 0
    payouts: int = 0
    unreadable: int = 0
    differences: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    fees: int = 0

    @property
    def mismatch(self) -> int:
        """Base units that plan, database and chain disagree about."""
        database = self.database_paid + self.database_unpaid
        return abs(self.planned - database) + abs(self.database_paid - self.chain_paid)

    @property
    def is_exact(self) -> bool:
        return self.mismatch == 0 and not self.differences

    def sentence(self) -> str:
        if self.is_exact:
            return (
                f"{self.week.label}: plan = database = chain, {self.planned} base units planned, "
                f"{self.chain_paid} paid in {self.payouts} payouts"
            )
        return (
            f"{self.week.label}: MISMATCH of {self.mismatch} base units, "
            f"{len(self.differences)} differences"
        )


def reconcile(context: Context, distribution: Distribution) -> Reconciliation:
    """Compare a week's anchored plan, the database and the chain, payout by payout.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: there is nothing final to compare with.
    """
    planned = plan_of(distribution.week, distribution)
    seal, plan_id = anchored_seal(context, planned), planned.plan_id
    result = Reconciliation(distribution.week, planned=seal.header.total_amount)
    progress = context.store.progress(plan_id)
    paid = progress.rewards.get(Status.COMPLETED)
    result.database_paid = paid.amount if paid else 0
    result.database_unpaid = sum(
        tally.amount for status, tally in progress.rewards.items() if status is not Status.COMPLETED
    )
    result.on_its_way = progress.held.amount
    rows = AnchoredRows(context, planned, seal)
    after = ""
    while chunk := context.store.payouts_after(plan_id, after, CHUNK_PAYOUTS):
        _compare(context, rows, chunk, result)
        after = chunk[-1].id
    _check_held(context, seal, plan_id, result)
    if result.on_its_way != result.database_unpaid:
        forgotten = result.database_unpaid - result.on_its_way
        _differ(result, f"{forgotten} base units of unpaid rewards are in no payout")
    return result


def _check_held(context: Context, seal: Seal, plan_id: str, result: Reconciliation) -> None:
    try:
        seal.check_held(stored_rows(context, plan_id, seal.header.held_positions))
    except PlanDoesNotMatchRoot as error:
        _differ(result, str(error))


def _compare(
    context: Context, rows: AnchoredRows, payouts: Sequence[Payout], result: Reconciliation
) -> None:
    payable = [p for p in payouts if p.kind is not PayoutKind.ANCHOR]
    outside = outside_plan(context.store, rows.planned, payable)
    for error in outside.values():
        _differ(result, str(error))
    states = context.chain.receipts([p.id for p in payable])
    resolved = [p for p in payable if states[p.id] in RESOLVED]
    found = read_back(context, resolved)
    for payout in payable:
        result.payouts += 1
        if payout.id in outside:
            continue  # it will pay nobody
        result.on_its_way += 0 if payout.status.is_resolved else payout.amount
        _compare_one(rows, payout, states[payout.id], found.get(payout.id), result)


def _compare_one(
    rows: AnchoredRows,
    payout: Payout,
    state: ReceiptState,
    execution: Execution | None,
    result: Reconciliation,
) -> None:
    expected = {PayoutStatus.PAID: ReceiptState.PAID, PayoutStatus.VOID: ReceiptState.VOID}
    wanted = expected.get(payout.status, ReceiptState.FREE)
    if state is not wanted:
        _differ(result, f"{payout.id}: {payout.status} in the database, {state.value} on chain")
    if state not in RESOLVED:
        return
    if execution is None:
        result.unreadable += 1
        _differ(result, f"{payout.id}: {state.value}, but no endpoint returns its transaction")
        return
    result.fees += execution.fee
    result.signatures.append(execution.signature)
    result.chain_paid += execution.source_decrease
    if payout.signature not in (None, execution.signature):
        _differ(result, f"{payout.id}: recorded {payout.signature}, on chain {execution.signature}")
    try:
        paid = state is ReceiptState.PAID
        right = paid_as_planned(rows, payout, execution) if paid else moved(execution, [])
    except PlanDoesNotMatchRoot as error:
        _differ(result, str(error))
        return
    if not right:
        _differ(result, f"{payout.id}: {execution.signature} moved other amounts than planned")


def _differ(result: Reconciliation, text: str) -> None:
    if len(result.differences) < LISTED_MAX:
        result.differences.append(text)
