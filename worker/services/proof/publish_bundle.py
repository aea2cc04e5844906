"""Publishes a week as a bundle, with which strangers verify the week. It contains no names.

The anchored plan and the finalized chain determine every byte, so two operators publish the same
files. The database supplies the rows, which the root proves, and signatures to look at first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from worker.core.chunks import chunks
from worker.core.errors import NotReady
from worker.core.money import BaseUnits
from worker.core.payout.chain import Execution
from worker.core.payout.comparison import RESOLVED, recipient_of
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Seal, SealBuilder
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, anchor_id, single_id
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.pages import payout_pages
from worker.services.payout.settle import find_executions
from worker.services.plan.genesis import first_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal, stored_rows
from worker.services.proof.bundle_files import BundleWriter

CHUNK = 500


class ReceiptUnreadable(NotReady):
    """A receipt's state cannot be read, so the week cannot be published."""

    def __init__(self, receipt: str) -> None:
        super().__init__(
            f"The receipt {receipt} cannot be read from every endpoint. Nothing was published; "
            "try again, or correct SOLANA_RPC_URL."
        )


@dataclass(frozen=True, slots=True)
class Published:
    """The size and state of a published week. Amounts in base units."""

    week: Week
    root: bytes
    location: str
    rewards: int
    total_amount: int
    paid: int
    void: int
    open: int
    alone: int
    paid_amount: int
    unreadable: int
    """Payouts without a signature, because no endpoint returned the transaction."""


def publish_week(context: Context, week: Week, writer: BundleWriter) -> Published:
    """Write the bundle of a closed or open week.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: the week has no final plan.
        NoGenesis: the first week is unknown.
        ReceiptUnreadable: the state of a payout is unknown.
    """
    planned, seal = anchored_plan(context, week)
    return _Publisher(context, planned, seal, first_week(context)).publish(writer)


def anchored_plan(context: Context, week: Week) -> tuple[PlannedWeek, Seal]:
    """A week's plan and its seal.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: the week has no final plan.
    """
    planned = planned_week(context.store, week)
    return planned, anchored_seal(context, planned)


class _Publisher:
    def __init__(self, context: Context, planned: PlannedWeek, seal: Seal, first: Week) -> None:
        self._context, self._seal, self._first = context, seal, first
        self._plan_id, self._source = planned.plan_id, ""
        pages = payout_pages(context.store, planned.plan_id, CHUNK)
        self._signatures = {payout.id: payout.signature or "" for page in pages for payout in page}
        """The database's signatures: the first place to look, and no proof."""
        self._roots = {str(seal.header.batch_id(i)): r for i, r in enumerate(seal.batch_roots)}
        self._amounts = Counter[str]()
        """The planned amounts of batches and singles by id, collected while the plan is written."""
        self._alone: list[str] = []
        """The single ids of rows that may be paid alone: held rows and rows of void batches."""
        self._listed = Counter[tuple[PayoutKind, ReceiptState]]()
        self._paid_amount = self._unreadable = 0

    def publish(self, writer: BundleWriter) -> Published:
        header, listed = self._seal.header, self._listed
        states = self._states(list(self._roots))
        files = {PLAN_FILE: writer.write(PLAN_FILE, self._plan_lines(states))}
        files[PAYOUTS_FILE] = writer.write(PAYOUTS_FILE, self._payout_lines(states))
        writer.write(MANIFEST_FILE, [self._manifest(files).canonical()])
        return Published(
            week=header.week,
            root=self._seal.root,
            location=writer.finish(),
            rewards=header.rewards,
            total_amount=header.total_amount,
            paid=listed[PayoutKind.BATCH, ReceiptState.PAID],
            void=listed[PayoutKind.BATCH, ReceiptState.VOID],
            open=listed[PayoutKind.BATCH, ReceiptState.FREE],
            alone=listed[PayoutKind.SINGLE, ReceiptState.PAID],
            paid_amount=self._paid_amount,
            unreadable=self._unreadable,
        )

    def _states(self, ids: list[str]) -> dict[str, ReceiptState]:
        """The states of these receipts. ReceiptUnreadable if one cannot be read."""
        states = self._context.chain.receipts(ids)
        for receipt in ids:
            if states[receipt] is ReceiptState.UNKNOWN:
                raise ReceiptUnreadable(receipt)
        return states

    def _executions(self, ids: list[str]) -> dict[str, Execution]:
        signatures = {receipt: self._signatures.get(receipt, "") for receipt in ids}
        found = find_executions(self._context.chain, signatures)
        # Every publisher must name the same account: the one that paid the first payout in the
        # bundle's order. Today's account may be another one.
        sources = (found[i].source for i in ids if i in found)
        self._source = self._source or next(filter(None, sources), "")
        return found

    def _plan_lines(self, states: dict[str, ReceiptState]) -> Iterator[bytes]:
        """Header and rows. PlanDoesNotMatchRoot if the rows are not the anchored ones."""
        header, builder = self._seal.header, SealBuilder(self._seal.header)
        yield header.canonical()
        for row in stored_rows(self._context, self._plan_id, range(header.rewards)):
            builder.add(row)
            self._amounts[row.batch] += row.amount
            if not row.batch or states.get(row.batch) is ReceiptState.VOID:
                single = single_id(header.week, row.user)
                self._alone.append(single)
                self._amounts[single] = row.amount
            yield row.canonical()
        if (found := builder.seal().root) != self._seal.root:
            what = f"The stored plan of {header.week}"
            raise PlanDoesNotMatchRoot(what, self._seal.root, found)

    def _payout_lines(self, states: dict[str, ReceiptState]) -> Iterator[bytes]:
        """Batches in order, then paid singles, by user commitment."""
        for ids in chunks(states, CHUNK):
            found = self._executions([i for i in ids if states[i] in RESOLVED])
            for receipt in ids:
                yield self._line(PayoutKind.BATCH, receipt, states[receipt], found.get(receipt))
        for ids in chunks(sorted(self._alone), CHUNK):
            paid = [i for i, state in self._states(ids).items() if state is ReceiptState.PAID]
            found = self._executions(paid)
            for receipt in paid:
                yield self._line(PayoutKind.SINGLE, receipt, ReceiptState.PAID, found.get(receipt))

    def _line(
        self, kind: PayoutKind, receipt: str, state: ReceiptState, found: Execution | None
    ) -> bytes:
        line = PayoutLine(
            id=receipt,
            kind=kind,
            state=state,
            signature=found.signature if found else "",
            slot=found.slot if found else None,
            amount=BaseUnits(self._amounts[receipt] if state is ReceiptState.PAID else 0),
            wallet=recipient_of(found) if found and kind is PayoutKind.SINGLE else "",
            root=self._roots.get(receipt, b""),
        )
        self._listed[kind, state] += 1
        self._paid_amount += line.amount
        self._unreadable += state in RESOLVED and found is None
        return line.canonical()

    def _manifest(self, files: dict[str, bytes]) -> Manifest:
        chain, header = self._context.chain, self._seal.header
        addresses, anchor = chain.public_addresses, anchor_id(header.week)
        found = self._executions([anchor]).get(anchor)
        return Manifest(
            week=header.week,
            first_week=self._first,
            cluster_genesis=chain.cluster_genesis(),
            mint=header.mint,
            receipt_key=addresses.receipt_key,
            source_account=self._source or addresses.source_account,
            root=self._seal.root,
            held_root=self._seal.held_root,
            anchor_signature=found.signature if found else "",
            anchor_slot=found.slot if found else None,
            files=files,
        )
