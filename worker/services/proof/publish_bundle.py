"""Publishes a week as a bundle: strangers verify the week with it, and it holds no names.

All of it follows from the anchored plan and the finalized chain, so two operators publish the same
bytes; the database only supplies the rows, proven by the root, and signatures to look at first.
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
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row, Seal, SealBuilder
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, anchor_id, single_id
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.settle import find_executions
from worker.services.plan.genesis import first_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal, stored_rows
from worker.services.proof.bundle_files import BundleWriter

CHUNK = 500


class ReceiptUnreadable(NotReady):
    """A receipt's state cannot be read, so nothing can be published about it."""

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
    """Payouts whose transaction no endpoint returned: their signature is left empty."""


def publish_week(context: Context, week: Week, writer: BundleWriter) -> Published:
    """Write the bundle of a closed or open week.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: there is nothing final to publish.
        NoGenesis, ReceiptUnreadable: the chain does not say what belongs into it.
    """
    planned, seal = anchored_plan(context, week)
    return _Publisher(context, planned, seal, first_week(context)).publish(writer)


def anchored_plan(context: Context, week: Week) -> tuple[PlannedWeek, Seal]:
    """A week's plan and its seal.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: there is nothing final.
    """
    planned = planned_week(context.store, week)
    return planned, anchored_seal(context, planned)


class _Publisher:
    def __init__(self, context: Context, planned: PlannedWeek, seal: Seal, first: Week) -> None:
        self._context, self._seal, self._first = context, seal, first
        self._plan_id, self._source = planned.plan_id, ""
        self._signatures = self._known_signatures()
        self._amounts = Counter[str]()
        """By batch id, gathered while the plan is written."""
        self._alone: dict[str, Row] = {}
        """Rows that may be paid alone, held ones and those of void batches, by single id."""
        self._listed = Counter[tuple[PayoutKind, ReceiptState]]()
        self._paid_amount = self._unreadable = 0

    def publish(self, writer: BundleWriter) -> Published:
        header, listed = self._seal.header, self._listed
        batches = [str(header.batch_id(index)) for index in range(header.batches)]
        states = self._states(batches)
        files = {PLAN_FILE: writer.write(PLAN_FILE, self._plan_lines(states))}
        files[PAYOUTS_FILE] = writer.write(PAYOUTS_FILE, self._payout_lines(batches, states))
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

    def _known_signatures(self) -> dict[str, str]:
        """Signatures that the database has: the place to look first, and no proof."""
        known, after = {}, ""
        while chunk := self._context.store.payouts_after(self._plan_id, after, CHUNK):
            known.update({payout.id: payout.signature or "" for payout in chunk})
            after = chunk[-1].id
        return known

    def _states(self, ids: list[str]) -> dict[str, ReceiptState]:
        """
        Raises:
            ReceiptUnreadable: one of them cannot be read.
        """
        states = self._context.chain.receipts(ids)
        for receipt in ids:
            if states[receipt] is ReceiptState.UNKNOWN:
                raise ReceiptUnreadable(receipt)
        return states

    def _executions(self, ids: list[str]) -> dict[str, Execution]:
        signatures = {receipt: self._signatures.get(receipt, "") for receipt in ids}
        found = find_executions(self._context.chain, signatures)
        # The account that paid the first payout in the bundle's order, and not today's account,
        # so that every publisher names the same one.
        sources = (found[i].source for i in ids if i in found)
        self._source = self._source or next(filter(None, sources), "")
        return found

    def _plan_lines(self, states: dict[str, ReceiptState]) -> Iterator[bytes]:
        """
        Raises:
            PlanDoesNotMatchRoot: the stored rows are not the anchored ones.
        """
        header, builder = self._seal.header, SealBuilder(self._seal.header)
        yield header.canonical()
        for row in stored_rows(self._context, self._plan_id, range(header.rewards)):
            builder.add(row)
            self._amounts[row.batch] += row.amount
            if not row.batch or states.get(row.batch) is ReceiptState.VOID:
                self._alone[single_id(header.week, row.user)] = row
            yield row.canonical()
        if (found := builder.seal().root) != self._seal.root:
            what = f"The stored plan of {header.week}"
            raise PlanDoesNotMatchRoot(what, self._seal.root, found)

    def _payout_lines(self, batches: list[str], states: dict[str, ReceiptState]) -> Iterator[bytes]:
        """Batches in order, then what was paid alone, by user commitment."""
        roots = dict(zip(batches, self._seal.batch_roots, strict=True))
        for ids in chunks(batches, CHUNK):
            found = self._executions([i for i in ids if states[i] in RESOLVED])
            for receipt in ids:
                is_paid = states[receipt] is ReceiptState.PAID
                amount = BaseUnits(self._amounts[receipt] if is_paid else 0)
                facts = PayoutKind.BATCH, states[receipt], amount, roots[receipt]
                yield self._line(receipt, found.get(receipt), *facts)
        for ids in chunks(sorted(self._alone), CHUNK):
            states = self._states(ids)
            paid = [receipt for receipt in ids if states[receipt] is ReceiptState.PAID]
            found = self._executions(paid)
            for receipt in paid:
                amount = self._alone[receipt].amount
                facts = PayoutKind.SINGLE, ReceiptState.PAID, amount, b""
                yield self._line(receipt, found.get(receipt), *facts)

    def _line(
        self,
        receipt: str,
        found: Execution | None,
        kind: PayoutKind,
        state: ReceiptState,
        amount: BaseUnits,
        root: bytes,
    ) -> bytes:
        self._listed[kind, state] += 1
        self._paid_amount += amount
        self._unreadable += state in RESOLVED and found is None
        signature, slot = (found.signature, found.slot) if found else ("", None)
        wallet = recipient_of(found) if found and kind is PayoutKind.SINGLE else ""
        return PayoutLine(receipt, kind, state, signature, slot, amount, wallet, root).canonical()

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
