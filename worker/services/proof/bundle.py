"""Publish a week as a bundle: everything by which a stranger checks it, and nobody's name.

All of it follows from the anchored plan and the finalized chain, so two operators publish the same
bytes; the database only supplies the rows, proven by the root, and signatures to look at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from worker.core.errors import NotReady
from worker.core.money import BaseUnits
from worker.core.payout.chain import Execution
from worker.core.payout.records import PayoutKind
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row, Seal, SealBuilder
from worker.core.plan.planned_week import PlannedWeek
from worker.core.plan.receipts import ReceiptState, anchor_id, single_id
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.settle import RESOLVED
from worker.services.plan.genesis import first_week
from worker.services.plan.planned_week import planned_week
from worker.services.plan.seal import anchored_seal, stored_rows

CHUNK = 500


class ReceiptUnreadable(NotReady):
    """A receipt's state cannot be told, so nothing can be said of it to others."""

    def __init__(self, receipt: str) -> None:
        super().__init__(
            f"The receipt {receipt} cannot be read from every endpoint. Nothing was published; "
            "try again, or correct SOLANA_RPC_URL."
        )


class BundleWriter(Protocol):
    """Where a bundle goes. Nothing is visible before `finish`."""

    def write(self, name: str, lines: Iterable[bytes]) -> bytes:
        """Write a file of lines, each with a line end; the SHA-256 of the file."""
        ...

    def finish(self) -> str:
        """Put all files in place; where they are, for people."""
        ...


@dataclass(slots=True)
class Published:
    """What was published. Amounts in base units."""

    week: Week
    root: bytes
    location: str = ""
    rewards: int = 0
    total_amount: int = 0
    paid: int = 0
    void: int = 0
    open: int = 0
    alone: int = 0
    paid_amount: int = 0
    unreadable: int = 0
    """Payouts whose transaction no endpoint returned: their signature is left empty."""


def publish_week(context: Context, week: Week, writer: BundleWriter) -> Published:
    """Write a week's bundle, closed or still open.

    Raises:
        NotPlanned, NotAnchored, PlanDoesNotMatchRoot: there is nothing final to publish.
        NoGenesis, ReceiptUnreadable: the chain does not tell what belongs into it.
    """
    planned = planned_week(context.store, week)
    seal = anchored_seal(context, planned)
    first = first_week(context)
    return _Publisher(context, planned, seal, first).publish(writer)


@dataclass(slots=True)
class _Facts:
    """What was gathered while the plan was written."""

    amounts: list[int]
    alone: dict[str, Row] = field(default_factory=dict)
    """Rows that may be paid alone, held ones and those of void batches, by single id."""


class _Publisher:
    def __init__(self, context: Context, planned: PlannedWeek, seal: Seal, first: Week) -> None:
        self._context, self._seal, self._first = context, seal, first
        self._plan_id = planned.plan_id
        self._source = ""
        self._signatures = self._known_signatures()
        header = seal.header
        self._done = Published(
            header.week, seal.root, rewards=header.rewards, total_amount=header.total_amount
        )

    def publish(self, writer: BundleWriter) -> Published:
        header = self._seal.header
        batches = [str(header.batch_id(index)) for index in range(header.batches)]
        states = self._states(batches)
        facts = _Facts([0] * header.batches)
        plan_hash = writer.write(PLAN_FILE, self._plan_lines(states, facts))
        payouts_hash = writer.write(PAYOUTS_FILE, self._payout_lines(batches, states, facts))
        files = {PLAN_FILE: plan_hash, PAYOUTS_FILE: payouts_hash}
        writer.write(MANIFEST_FILE, [self._manifest(files).canonical()])
        self._done.location = writer.finish()
        return self._done

    def _known_signatures(self) -> dict[str, str]:
        """Signatures as the database has them: where to look first, no more."""
        known, after = {}, ""
        while chunk := self._context.store.payouts_after(self._plan_id, after, CHUNK):
            known.update({payout.id: payout.signature for payout in chunk if payout.signature})
            after = chunk[-1].id
        return known

    def _states(self, ids: list[str]) -> dict[str, ReceiptState]:
        """
        Raises:
            ReceiptUnreadable: one of them cannot be told.
        """
        states = self._context.chain.receipts(ids)
        for receipt in ids:
            if states[receipt] is ReceiptState.UNKNOWN:
                raise ReceiptUnreadable(receipt)
        return states

    def _executions(self, ids: list[str]) -> dict[str, Execution]:
        """By the known signature where there is one, else by search."""
        known = {i: self._signatures[i] for i in ids if i in self._signatures}
        found = self._context.chain.executions_of(known) if known else {}
        rest = [i for i in ids if i not in found]
        found |= self._context.chain.executions(rest) if rest else {}
        # Not today's account, but the one that this week was paid from: the first payout's, in
        # the bundle's order, so that every publisher names the same.
        sources = (found[i].source for i in ids if i in found)
        self._source = self._source or next(filter(None, sources), "")
        return found

    def _plan_lines(self, states: dict[str, ReceiptState], facts: _Facts) -> Iterator[bytes]:
        """The plan, and on the way what each batch sums to and who may be paid alone.

        Raises:
            PlanDoesNotMatchRoot: the stored rows are not the anchored ones.
        """
        header, builder = self._seal.header, SealBuilder(self._seal.header)
        yield header.canonical()
        rows = stored_rows(self._context, self._plan_id, range(header.rewards))
        for position, row in enumerate(rows):
            builder.add(row)
            if row.batch:
                facts.amounts[position // header.batch_size] += row.amount
            if not row.batch or states[row.batch] is ReceiptState.VOID:
                facts.alone[single_id(header.week, row.user)] = row
            yield row.canonical()
        if (found := builder.seal().root) != self._seal.root:
            what = f"The stored plan of {header.week}"
            raise PlanDoesNotMatchRoot(what, self._seal.root, found)

    def _payout_lines(
        self, batches: list[str], states: dict[str, ReceiptState], facts: _Facts
    ) -> Iterator[bytes]:
        """Batches in order, then what was paid alone, by user commitment."""
        for first in range(0, len(batches), CHUNK):
            ids = batches[first : first + CHUNK]
            found = self._executions([i for i in ids if states[i] in RESOLVED])
            for index, receipt in enumerate(ids, start=first):
                amount, state = facts.amounts[index], states[receipt]
                yield self._batch_line(index, receipt, state, amount, found.get(receipt))
        yield from self._single_lines(facts)

    def _batch_line(
        self, index: int, receipt: str, state: ReceiptState, amount: int, found: Execution | None
    ) -> bytes:
        done, paid = self._done, state is ReceiptState.PAID
        done.paid += paid
        done.void += state is ReceiptState.VOID
        done.open += state is ReceiptState.FREE
        done.paid_amount += amount if paid else 0
        done.unreadable += state in RESOLVED and found is None
        return PayoutLine(
            id=receipt,
            kind=PayoutKind.BATCH,
            state=state,
            signature=found.signature if found else "",
            slot=found.slot if found else None,
            amount=BaseUnits(amount if paid else 0),
            wallet="",
            root=self._seal.batch_roots[index],
        ).canonical()

    def _single_lines(self, facts: _Facts) -> Iterator[bytes]:
        ids = sorted(facts.alone)
        for first in range(0, len(ids), CHUNK):
            chunk = ids[first : first + CHUNK]
            states = self._states(chunk)
            paid = [receipt for receipt in chunk if states[receipt] is ReceiptState.PAID]
            found = self._executions(paid)
            for receipt in paid:
                yield self._single_line(receipt, facts.alone[receipt], found.get(receipt))

    def _single_line(self, receipt: str, row: Row, found: Execution | None) -> bytes:
        self._done.alone += 1
        self._done.paid_amount += row.amount
        self._done.unreadable += found is None
        wallets = {transfer.wallet for transfer in found.transfers} if found else set()
        return PayoutLine(
            id=receipt,
            kind=PayoutKind.SINGLE,
            state=ReceiptState.PAID,
            signature=found.signature if found else "",
            slot=found.slot if found else None,
            amount=row.amount,
            wallet=min(wallets, default=""),
            root=b"",
        ).canonical()

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
