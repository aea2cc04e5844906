"""Plan = database = chain, in base units: three sums and every difference between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.findings import Check
from worker.core.lifecycle import Status
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.comparison import (
    RESOLVED,
    RecordedPayment,
    compare_receipt,
    compare_transaction,
    receipt_of,
)
from worker.core.payout.records import Distribution, Payout, PayoutKind, Progress
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row
from worker.core.plan.receipts import ReceiptState
from worker.core.week import Week
from worker.core.wording import counted
from worker.services.ahead import ahead, meanwhile
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan
from worker.services.payout.pages import payout_pages
from worker.services.payout.settle import planned_transfers, read_back, transfers_of
from worker.services.plan.planned_week import plan_of
from worker.services.plan.seal import anchored_seal, stored_rows

CHUNK_PAYOUTS = 64
"""Transactions that are read at once. Each takes some 150 kB of memory."""
LISTED_MAX = 100


@dataclass(slots=True)
class Reconciliation:
    """Sums in base units. `is_exact` only if all agree and no payout differs."""

    week: Week
    planned: int
    database_paid: int = 0
    database_unpaid: int = 0
    on_its_way: int = 0
    """The amount of unresolved payouts, and of singles that are not made yet."""
    chain_paid: int = 0
    payouts: int = 0
    unreadable: int = 0
    """Resolved payouts whose transaction no endpoint returns now."""
    paid_unreadable: int = 0
    """The planned amount of those whose receipt is paid."""
    check: Check = field(default_factory=lambda: Check("chain", listed_max=LISTED_MAX))
    signatures: list[str] = field(default_factory=list)
    fees: int = 0

    @property
    def mismatch(self) -> int:
        """Base units that plan, database and chain disagree about."""
        database, chain = self.database_paid + self.database_unpaid, self.chain_paid
        return abs(self.planned - database) + abs(self.database_paid - chain - self.paid_unreadable)

    @property
    def is_exact(self) -> bool:
        return self.mismatch == 0 and self.check.ok

    @property
    def is_unproven(self) -> bool:
        """Whether nothing differs, but not everything could be read."""
        return not self.is_exact and self.mismatch == 0 and self.check.wrong_count == 0

    @property
    def differences(self) -> list[str]:
        """The findings, a line each."""
        return [str(finding) for finding in self.check.findings]

    def sentence(self) -> str:
        if self.is_exact:
            return (
                f"{self.week.label}: plan = database = chain, {self.planned:,} base units planned, "
                f"{self.chain_paid:,} paid in {counted(self.payouts, 'payout')}"
            )
        if self.is_unproven:
            return (
                f"{self.week.label}: nothing differs, and {self.check.unproven_count} facts cannot "
                "be read from the chain now"
            )
        return (
            f"{self.week.label}: MISMATCH of {self.mismatch:,} base units, "
            f"{counted(len(self.differences), 'difference')}"
        )


def reconcile(context: Context, distribution: Distribution) -> Reconciliation:
    """Compare a week's anchored plan, the database and the chain, payout by payout.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: there is nothing final to compare with.
    """
    planned = plan_of(distribution.week, distribution)
    seal = anchored_seal(context, planned)
    result = Reconciliation(planned.week, planned=seal.header.total_amount)
    rows = AnchoredRows(context, planned, seal)
    # The database adds up, and reads the next page, while the chain is asked about the last one.
    with meanwhile(partial(context.store.progress, planned.plan_id)) as counted:
        for page in ahead(_pages(rows)):
            _compare(rows, result, page)
    _add_database(result, counted.result())
    try:
        seal.check_held(stored_rows(context, planned.plan_id, seal.header.held_positions))
    except PlanDoesNotMatchRoot as error:
        result.check.wrong(planned.week.label, str(error))
    if result.on_its_way != result.database_unpaid:
        forgotten = result.database_unpaid - result.on_its_way
        what = f"{forgotten:,} base units of unpaid rewards are in no payout"
        result.check.wrong(planned.week.label, what)
    return result


def _add_database(result: Reconciliation, progress: Progress) -> None:
    paid = progress.rewards.get(Status.COMPLETED)
    result.database_paid = paid.amount if paid else 0
    result.database_unpaid = sum(
        tally.amount for status, tally in progress.rewards.items() if status is not Status.COMPLETED
    )
    result.on_its_way += progress.held.amount


def reconcile_or_report(context: Context, distribution: Distribution) -> Reconciliation:
    """As `reconcile`, but a stored plan that differs from the anchored one becomes a finding.

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


@dataclass(frozen=True, slots=True)
class _Page:
    """Some payouts, and the stored rows of their batches, or the error of the proof, by id."""

    payouts: list[Payout]
    batches: dict[str, list[Row] | PlanDoesNotMatchRoot]


def _pages(rows: AnchoredRows) -> Iterator[_Page]:
    """All payouts that pay rewards. Neighbouring batches of a page share one query."""
    batches = range(rows.seal.header.batches)
    for page in payout_pages(rows.context.store, rows.planned.plan_id, CHUNK_PAYOUTS):
        paid = [p for p in page if p.kind is PayoutKind.BATCH and p.index in batches]
        proven = {payout.id: found for payout, found in rows.of_batches(paid)}
        yield _Page([p for p in page if p.kind is not PayoutKind.ANCHOR], proven)


def _compare(rows: AnchoredRows, result: Reconciliation, page: _Page) -> None:
    """Compare payouts of the plan with the chain."""
    context, payouts = rows.context, page.payouts
    outside = outside_plan(context.store, rows.planned, payouts)
    # A node that has not reached a recorded slot does not answer, instead of showing less.
    newest = max((p.slot or 0 for p in payouts), default=0)
    states = context.chain.receipts([p.id for p in payouts], not_before_slot=newest)
    found = read_back(context, [p for p in payouts if states[p.id] in RESOLVED])
    result.payouts += len(payouts)
    for payout in payouts:
        if payout.id in outside:
            result.check.wrong(payout.id, str(outside[payout.id]))
            continue  # such a payout is never paid
        result.on_its_way += 0 if payout.status.is_resolved else payout.amount
        state, why = states[payout.id], f"({payout.status} in the database)"
        compare_receipt(payout.id, state, receipt_of(payout.status), why, result.check)
        if state in RESOLVED:
            expected = partial(_expected, rows, page, payout)
            _compare_transaction(result, payout, state, found.get(payout.id), expected)


def _expected(
    rows: AnchoredRows, page: _Page, payout: Payout, found: Execution
) -> Sequence[Transfer]:
    """The transfers that the plan requires of a payment.

    Raises:
        PlanDoesNotMatchRoot: the rows of a batch were changed, or the row of a single is missing.
    """
    batch = page.batches.get(payout.id)
    if batch is None:
        return planned_transfers(rows, payout, found)
    if isinstance(batch, PlanDoesNotMatchRoot):
        raise batch
    return transfers_of(batch)


def _compare_transaction(
    result: Reconciliation,
    payout: Payout,
    state: ReceiptState,
    found: Execution | None,
    expected: Callable[[Execution], Sequence[Transfer]],
) -> None:
    if found is None:
        result.unreadable += 1
        result.paid_unreadable += payout.amount if state is ReceiptState.PAID else 0
    else:
        result.fees += found.fee
        result.signatures.append(found.signature)
        result.chain_paid += found.source_decrease
    try:
        is_paid = state is ReceiptState.PAID
        transfers = expected(found) if found and is_paid else []
    except PlanDoesNotMatchRoot as error:
        result.check.wrong(payout.id, str(error))
        return
    recorded = RecordedPayment(payout.id, payout.signature or "", payout.slot)
    compare_transaction(recorded, found, transfers, result.check)
