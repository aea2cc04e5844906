"""Whether a plan was paid as it says: every receipt, and every transaction that made one.

Also receipts that must not be there are asked for: a reward whose batch was not voided has never
been paid alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from worker.core.findings import Check
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.intent import sums_by_wallet
from worker.core.plan.commitment import Header, MalformedPlan, Row
from worker.core.plan.receipts import ReceiptState, single_id
from worker.core.proof.bundle import PLAN_FILE, PayoutLine
from worker.core.proof.payout_lines import RESOLVED, Payouts
from worker.ports.payout import PublicChain

CHUNK_BATCHES = 100
CHUNK_HELD_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Payment:
    """A transaction of this week that moved tokens as planned or not."""

    id: str
    slot: int
    source: str
    """The token account that it came from."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows and the batch that they are in; None for held rows."""

    rows: list[Row]
    batch: PayoutLine | None


class PayoutsAudit:
    """Compares a plan's batches and singles with the chain, a chunk at a time."""

    def __init__(self, chain: PublicChain, header: Header, payouts: Payouts) -> None:
        self._chain, self._header, self._payouts = chain, header, payouts
        self._batches, self._singles = Check("batches"), Check("paid alone")
        self.payments: dict[str, Payment] = {}
        """By signature."""
        self.unread: set[str] = set()
        """Ids of which the chain did not tell what became of them, or by which transaction."""
        self.paid_amount = 0
        """In base units, as the chain moved it."""
        self.open = 0
        """Rewards that were not paid yet."""
        self._paid = self._void = self._alone = self._read = 0

    @property
    def checks(self) -> list[Check]:
        self._batches.detail = (
            f"{self._paid:,} paid as planned, {self._void:,} void, "
            f"{self._header.batches - self._paid - self._void:,} open"
        )
        self._singles.detail = f"{self._alone:,} paid alone; {self._read:,} receipts read in all"
        return [self._batches, self._singles]

    def run(self, lines: Iterable[bytes]) -> None:
        """Check every row of the plan, given as its lines without line ends."""
        rows = map(Row.parse, itertools.islice(lines, 1, None))
        try:
            for first in range(0, self._header.batches, CHUNK_BATCHES):
                self._check_parts(list(self._parts(first, rows)))
            while held := list(itertools.islice(rows, CHUNK_HELD_ROWS)):
                self._check_parts([_Part(held, None)])
        except MalformedPlan as error:
            self._batches.unproven(PLAN_FILE, f"cannot be compared from there on: {error}")

    def _parts(self, first: int, rows: Iterator[Row]) -> Iterator[_Part]:
        for index in range(first, min(first + CHUNK_BATCHES, self._header.batches)):
            size = len(self._header.batch_positions(index))
            yield _Part(list(itertools.islice(rows, size)), self._payouts.batches[index])

    def _check_parts(self, parts: Sequence[_Part]) -> None:
        week = self._header.week
        ids = [part.batch.id for part in parts if part.batch]
        ids += [single_id(week, row.user) for part in parts for row in part.rows]
        states = self._chain.receipts(ids)
        self._read += len(ids)
        found = self._executions([receipt for receipt in ids if states[receipt] in RESOLVED])
        free = {receipt for receipt in ids if states[receipt] is ReceiptState.FREE}
        self.unread |= set(ids) - free - found.keys()
        for part in parts:
            state = None
            if part.batch is not None:
                state = states[part.batch.id]
                self._check_batch(part.batch, part.rows, state, found.get(part.batch.id))
            for row in part.rows:
                receipt = single_id(week, row.user)
                self._check_single(row, receipt, state, states[receipt], found.get(receipt))

    def _executions(self, ids: Sequence[str]) -> dict[str, Execution]:
        """By the signatures of the bundle where they lead there, else by search."""
        by_id = {line.id: line.signature for line in self._payouts.batches}
        by_id |= {line.id: line.signature for line in self._payouts.singles.values()}
        known = {receipt: by_id[receipt] for receipt in ids if by_id.get(receipt)}
        found = self._chain.executions_of(known) if known else {}
        rest = [receipt for receipt in ids if receipt not in found]
        return found | (self._chain.executions(rest) if rest else {})

    # --- a batch ---

    def _check_batch(
        self, line: PayoutLine, rows: Sequence[Row], state: ReceiptState, found: Execution | None
    ) -> None:
        check = self._batches
        self._paid += state is ReceiptState.PAID
        self._void += state is ReceiptState.VOID
        self.open += len(rows) if state is ReceiptState.FREE else 0
        if not _state_fits(line, state, check):
            return
        if found is None:
            check.unproven(line.id, "no endpoint returns the transaction that resolved it")
            return
        _compare_identity(line.id, line, found, check)
        planned = [Transfer(row.wallet, row.amount) for row in rows]
        self._compare_moved(line.id, found, planned if state is ReceiptState.PAID else [], check)

    def _compare_moved(
        self, receipt: str, found: Execution, planned: Sequence[Transfer], check: Check
    ) -> None:
        """Sums by wallet, and what left the source account."""
        expected, moved = sums_by_wallet(planned), sums_by_wallet(found.transfers)
        for wallet in sorted(expected.keys() | moved.keys()):
            if expected[wallet] != moved[wallet]:
                what = f"moved {moved[wallet]} to {wallet}, and the plan says {expected[wallet]}"
                check.wrong(receipt, f"{found.signature} {what}")
        total = sum(transfer.amount for transfer in planned)
        check.expect(receipt, "the decrease of the source account", total, found.source_decrease)
        if found.transfers or found.source_decrease:
            self.payments[found.signature] = Payment(receipt, found.slot, found.source)
        self.paid_amount += found.source_decrease

    # --- a single ---

    def _check_single(
        self,
        row: Row,
        receipt: str,
        batch: ReceiptState | None,
        state: ReceiptState,
        found: Execution | None,
    ) -> None:
        check, line = self._singles, self._payouts.singles.get(row.user)
        may_be_alone = batch in (None, ReceiptState.VOID)
        if state is ReceiptState.UNKNOWN:
            check.unproven(receipt, "its receipt cannot be read, or endpoints disagree")
        elif state is ReceiptState.VOID:
            check.wrong(receipt, "is void on chain, which no single can be")
        elif state is ReceiptState.FREE:
            self.open += may_be_alone
            if line is not None:
                check.wrong(receipt, "was paid according to the bundle, and is free on chain")
        else:
            self._alone += 1
            if batch is ReceiptState.UNKNOWN:
                check.unproven(receipt, f"was paid alone, and {row.batch} cannot be read")
            elif not may_be_alone:
                name = batch.value if batch else ""
                check.wrong(receipt, f"was paid alone although its batch is {name}: paid twice")
            self._compare_single(row, receipt, line, found)

    def _compare_single(
        self, row: Row, receipt: str, line: PayoutLine | None, found: Execution | None
    ) -> None:
        check = self._singles
        if found is None:
            check.unproven(receipt, "no endpoint returns the transaction that paid it")
            return
        _compare_identity(receipt, line, found, check)
        wallets = {transfer.wallet for transfer in found.transfers}
        wallet = line.wallet if line and line.wallet else min(wallets, default="")
        self._compare_moved(receipt, found, [Transfer(wallet, row.amount)], check)
        if row.wallet and wallet != row.wallet:
            check.note(f"{receipt}: an operator redirected it from {row.wallet} to {wallet}")


def _state_fits(line: PayoutLine, state: ReceiptState, check: Check) -> bool:
    """Whether the chain resolved it, as the bundle says or since it was published."""
    if state is ReceiptState.UNKNOWN:
        check.unproven(line.id, "its receipt cannot be read, or endpoints disagree")
    elif line.state not in (state, ReceiptState.FREE):
        check.wrong(line.id, f"is {state.value} on chain, and {line.state.value} in the bundle")
    elif line.state is not state:
        check.note(f"{line.id}: {state.value} since the bundle was published")
    return state in RESOLVED


def _compare_identity(
    receipt: str, line: PayoutLine | None, found: Execution, check: Check
) -> None:
    """Whether the transaction is this payout's own, and the one that the bundle lists for it."""
    # A transaction can make many receipts, and has one memo: so it counts for one id only.
    check.expect(receipt, "the memo of its transaction", receipt, found.memo)
    if line is not None and line.signature:
        check.expect(line.id, "the signature", found.signature, line.signature)
        check.expect(line.id, "the slot", found.slot, line.slot)
