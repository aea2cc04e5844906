"""Compares every payout of a plan with its receipt and its transaction.

It also reads the single receipts of rewards in batches, because a reward whose batch is not void
must not be paid alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from worker.core.chunks import chunks
from worker.core.findings import Check
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.comparison import (
    RESOLVED,
    RecordedPayment,
    compare_receipt,
    compare_transaction,
    recipient_of,
)
from worker.core.plan.commitment import Header, MalformedPlan, Row
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.proof.bundle import PLAN_FILE, PayoutLine
from worker.core.proof.verify_payout_lines import Payouts
from worker.core.wording import counted
from worker.ports.payout import PublicChain
from worker.services.payout.settle import find_executions

CHUNK_BATCHES = 100
CHUNK_HELD_ROWS = 5000

Part = tuple[Sequence[Row], PayoutLine | None]
"""Rows and their batch; None for held rows."""


class PaymentsVerifier:
    """Compares a plan's batches and singles with the chain, a chunk at a time."""

    def __init__(self, chain: PublicChain, header: Header, payouts: Payouts) -> None:
        self._chain, self._header, self._payouts = chain, header, payouts
        self._batches, self._singles = Check("batches"), Check("paid alone")
        self.payments: dict[str, Execution] = {}
        """The week's transactions that moved tokens, by signature, without `transfers`."""
        self.unread: set[str] = set()
        """Ids whose receipts or transactions cannot be read."""
        self.paid_amount = 0
        """The base units that left the source account."""
        self.open = 0
        """The number of unpaid rewards."""
        self._paid = self._void = self._alone = self._read = 0

    @property
    def checks(self) -> list[Check]:
        self._batches.detail = (
            f"{self._paid:,} paid as planned, {self._void:,} void, "
            f"{self._header.batches - self._paid - self._void:,} open"
        )
        self._singles.detail = (
            f"{self._alone:,} paid alone; {counted(self._read, 'receipt')} read in all"
        )
        return [self._batches, self._singles]

    def run(self, lines: Iterable[bytes]) -> None:
        """Compare every row of the plan, given as its lines without line ends."""
        rows = map(Row.parse, itertools.islice(lines, 1, None))
        parts = (
            (list(itertools.islice(rows, len(self._header.batch_positions(index)))), batch)
            for index, batch in enumerate(self._payouts.batches)
        )
        try:
            for some in chunks(parts, CHUNK_BATCHES):
                self._compare_parts(some)
            for held in chunks(rows, CHUNK_HELD_ROWS):
                self._compare_parts([(held, None)])
        except MalformedPlan as error:
            self._batches.unproven(PLAN_FILE, f"cannot be compared from there on: {error}")

    def _compare_parts(self, parts: Sequence[Part]) -> None:
        week = self._header.week
        ids = [batch.id for _, batch in parts if batch]
        ids += [single_id(week, row.user) for rows, _ in parts for row in rows]
        states = self._chain.receipts(ids)
        self._read += len(ids)
        found = self._executions([receipt for receipt in ids if states[receipt] in RESOLVED])
        free = {receipt for receipt in ids if states[receipt] is ReceiptState.FREE}
        self.unread |= set(ids) - free - found.keys()
        for rows, batch in parts:
            state = states[batch.id] if batch else None
            if batch is not None:
                self._compare_batch(batch, rows, states[batch.id], found.get(batch.id))
            for row in rows:
                receipt = single_id(week, row.user)
                self._compare_single(row, receipt, state, states[receipt], found.get(receipt))

    def _executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        """The transactions that made these receipts. The bundle's signatures are tried first."""
        lines = (*self._payouts.batches, *self._payouts.singles.values())
        signatures = {line.id: line.signature for line in lines}
        return find_executions(self._chain, {i: signatures.get(i, "") for i in ids})

    def _compare_batch(
        self, line: PayoutLine, rows: Sequence[Row], state: ReceiptState, found: Execution | None
    ) -> None:
        check = self._batches
        self._paid += state is ReceiptState.PAID
        self._void += state is ReceiptState.VOID
        self.open += len(rows) if state is ReceiptState.FREE else 0
        if line.state is ReceiptState.FREE and state in RESOLVED:
            check.note(f"{line.id}: {state.value} since the bundle was published")
        else:
            compare_receipt(line.id, state, line.state, "(as in the bundle)", check)
        if state in RESOLVED:
            is_paid = state is ReceiptState.PAID
            planned = [Transfer(row.wallet, row.amount) for row in rows] if is_paid else []
            self._compare_transaction(line.id, line, found, planned, check)

    def _compare_transaction(
        self,
        receipt: str,
        line: PayoutLine | None,
        found: Execution | None,
        planned: Sequence[Transfer],
        check: Check,
    ) -> None:
        given = (
            RecordedPayment(receipt, line.signature, line.slot)
            if line
            else RecordedPayment(receipt)
        )
        compare_transaction(given, found, planned, check)
        if found is not None:
            self.paid_amount += found.source_decrease
            if found.transfers or found.source_decrease:
                self.payments[found.signature] = replace(found, transfers=())

    def _compare_single(
        self,
        row: Row,
        receipt: str,
        batch: ReceiptState | None,
        state: ReceiptState,
        found: Execution | None,
    ) -> None:
        check, line = self._singles, self._payouts.singles.get(row.user)
        may_be_alone = batch in (None, ReceiptState.VOID)
        if state is not ReceiptState.PAID:
            listed = ReceiptState.FREE if line is None else ReceiptState.PAID
            why = "(as in the bundle)" if line else "(a single is never void)"
            compare_receipt(receipt, state, listed, why, check)
            self.open += may_be_alone and state is ReceiptState.FREE
            return
        self._alone += 1
        if batch is ReceiptState.UNKNOWN:
            check.unproven(receipt, f"was paid alone, and {row.batch} cannot be read")
        elif batch is not None and not may_be_alone:
            check.wrong(receipt, f"was paid alone although its batch is {batch.value}: paid twice")
        wallet = line.wallet if line and line.wallet else recipient_of(found) if found else ""
        self._compare_transaction(receipt, line, found, [Transfer(wallet, row.amount)], check)
        if found is not None and row.wallet and wallet != row.wallet:
            check.note(f"{receipt}: an operator redirected it from {row.wallet} to {wallet}")
