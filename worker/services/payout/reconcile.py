"""Plan = database = chain, in base units: three sums and every difference between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.findings import Check
from worker.core.lifecycle import Status
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.comparison import (
    RESOLVED,
    Recorded,
    compare_receipt,
    compare_transaction,
    receipt_of,
    recipient_of,
)
from worker.core.payout.records import Distribution, Payout, PayoutKind
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Seal
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan
from worker.services.payout.settle import read_back
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
    """The part that unresolved payouts, and singles that are still to be made, will pay."""
    chain_paid: int = 0
    payouts: int = 0
    unreadable: int = 0
    check: Check = field(default_factory=lambda: Check("chain", listed_max=LISTED_MAX))
    signatures: list[str] = field(default_factory=list)
    fees: int = 0

    @property
    def mismatch(self) -> int:
        """Base units that plan, database and chain disagree about."""
        database = self.database_paid + self.database_unpaid
        return abs(self.planned - database) + abs(self.database_paid - self.chain_paid)

    @property
    def is_exact(self) -> bool:
        return self.mismatch == 0 and self.check.ok

    @property
    def differences(self) -> list[str]:
        """The findings, a line each."""
        return [str(finding) for finding in self.check.findings]

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
    seal = anchored_seal(context, planned)
    result = Reconciliation(planned.week, planned=seal.header.total_amount)
    progress = context.store.progress(planned.plan_id)
    paid = progress.rewards.get(Status.COMPLETED)
    result.database_paid = paid.amount if paid else 0
    result.database_unpaid = sum(
        tally.amount for status, tally in progress.rewards.items() if status is not Status.COMPLETED
    )
    result.on_its_way = progress.held.amount
    comparison = _Comparison(AnchoredRows(context, planned, seal), result)
    after = ""
    while chunk := context.store.payouts_after(planned.plan_id, after, CHUNK_PAYOUTS):
        comparison.add([p for p in chunk if p.kind is not PayoutKind.ANCHOR])
        after = chunk[-1].id
    _check_held(context, seal, planned, result)
    if result.on_its_way != result.database_unpaid:
        forgotten = result.database_unpaid - result.on_its_way
        what = f"{forgotten} base units of unpaid rewards are in no payout"
        result.check.wrong(planned.week.label, what)
    return result


def reconcile_or_report(context: Context, distribution: Distribution) -> Reconciliation:
    """As `reconcile`; a stored plan that is not the anchored one is a finding of its own.

    Raises:
        NotReady: a server did not answer, so nothing is known.
    """
    try:
        return reconcile(context, distribution)
    except (NotReady, UsageError):
        raise
    except KontribError as error:
        result = Reconciliation(distribution.week, planned=0)
        result.check.wrong(distribution.week.label, str(error))
        return result


def _check_held(context: Context, seal: Seal, planned: PlannedWeek, result: Reconciliation) -> None:
    try:
        seal.check_held(stored_rows(context, planned.plan_id, seal.header.held_positions))
    except PlanDoesNotMatchRoot as error:
        result.check.wrong(planned.week.label, str(error))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares payouts of one plan with the chain, and fills `result`."""

    rows: AnchoredRows
    result: Reconciliation

    def add(self, payouts: Sequence[Payout]) -> None:
        context, result = self.rows.context, self.result
        outside = outside_plan(context.store, self.rows.planned, payouts)
        states = context.chain.receipts([p.id for p in payouts])
        found = read_back(context, [p for p in payouts if states[p.id] in RESOLVED])
        result.payouts += len(payouts)
        for payout in payouts:
            if payout.id in outside:
                result.check.wrong(payout.id, str(outside[payout.id]))
                continue  # it is never paid
            result.on_its_way += 0 if payout.status.is_resolved else payout.amount
            state, why = states[payout.id], f"({payout.status} in the database)"
            compare_receipt(payout.id, state, receipt_of(payout.status), why, result.check)
            if state in RESOLVED:
                self._add_transaction(payout, state, found.get(payout.id))

    def _add_transaction(
        self, payout: Payout, state: ReceiptState, found: Execution | None
    ) -> None:
        result = self.result
        if found is None:
            result.unreadable += 1
        else:
            result.fees += found.fee
            result.signatures.append(found.signature)
            result.chain_paid += found.source_decrease
        try:
            is_paid = state is ReceiptState.PAID
            transfers = self._planned_transfers(payout, found) if found and is_paid else []
        except PlanDoesNotMatchRoot as error:
            result.check.wrong(payout.id, str(error))
            return
        recorded = Recorded(payout.id, payout.signature or "", payout.slot)
        compare_transaction(recorded, found, transfers, result.check)

    def _planned_transfers(self, payout: Payout, found: Execution) -> list[Transfer]:
        """The transfers of a payout by its anchored rows.

        A single goes to the wallet that it was paid to: the user's or an operator's choice of
        the day, which an old backup may not know.

        Raises:
            PlanDoesNotMatchRoot: a batch's rows are not the anchored ones, or a single's is gone.
        """
        if payout.kind is PayoutKind.BATCH:
            return [Transfer(row.wallet, row.amount) for row in self.rows.of_batch(payout.index)]
        if (row := self.rows.at(payout.index)) is None:
            raise PlanDoesNotMatchRoot(f"The row of {payout.id}", self.rows.seal.root, b"")
        return [Transfer(recipient_of(found), row.amount)]
