"""Receipts on chain against the payouts of a plan: what was resolved, and what was not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from worker.core.check.records import Mismatch
from worker.core.lifecycle import PayoutStatus
from worker.core.plan.commitment import Header, Row
from worker.core.plan.receipts import ReceiptState, anchor_ids, single_id
from worker.core.week import Week
from worker.ports.payout import Chain

RECEIPTS_AT_ONCE = 100

Fields = Mapping[str, object]

_STATES: Mapping[object, ReceiptState] = {
    PayoutStatus.PAID: ReceiptState.PAID,
    PayoutStatus.VOID: ReceiptState.VOID,
}


class ReceiptCheck:
    """The receipts of one plan.

    `is_read_back`: recorded payouts are compared with their transactions elsewhere, and only
    what is not recorded is looked for here.
    """

    def __init__(self, chain: Chain, *, is_read_back: bool) -> None:
        self._chain, self._is_read_back = chain, is_read_back

    def of_anchor(self, week: Week, root: bytes) -> Iterator[Mismatch]:
        if self._is_read_back:
            return
        ids = anchor_ids(week, root)
        for receipt, state in self._chain.receipts(ids).items():
            if state is ReceiptState.UNKNOWN:
                yield _unknown(f"receipt {receipt}", 1)
            elif state is not ReceiptState.PAID:
                found = f"{state.value} on chain"
                yield Mismatch(f"receipt {receipt}", found, "paid: the plan is anchored")

    def of_payouts(
        self,
        header: Header,
        indexes: range,
        rows: Mapping[int, Row],
        batches: Mapping[int, Fields],
        singles: Mapping[int, Fields],
    ) -> Iterator[Mismatch]:
        """Every batch, recorded or not; every reward that can be paid alone, likewise."""
        recorded: dict[str, Fields | None] = {}
        for index in indexes:
            recorded[str(header.batch_id(index))] = batches.get(index)
        for position, row in rows.items():
            batch = batches.get(position // header.batch_size, {}) if indexes else None
            is_alone = batch is None or batch.get("status") == PayoutStatus.VOID
            if is_alone or position in singles:
                recorded[single_id(header.week, row.user)] = singles.get(position)
        yield from self._compared(recorded)

    def _compared(self, recorded: Mapping[str, Fields | None]) -> Iterator[Mismatch]:
        wanted = [
            receipt
            for receipt, payout in recorded.items()
            if payout is None or not self._is_read_back
        ]
        for first in range(0, len(wanted), RECEIPTS_AT_ONCE):
            ids = wanted[first : first + RECEIPTS_AT_ONCE]
            states = self._chain.receipts(ids)
            unknown = [receipt for receipt in ids if states[receipt] is ReceiptState.UNKNOWN]
            if unknown:
                yield _unknown(f"receipts from {unknown[0]}", len(unknown))
            for receipt in sorted(set(ids) - set(unknown)):
                payout = recorded[receipt]
                status = "not recorded" if payout is None else payout.get("status")
                if states[receipt] is not _STATES.get(status, ReceiptState.FREE):
                    found = f"{status} in the database"
                    expected = f"{states[receipt].value}, as on chain"
                    yield Mismatch(f"payout {receipt}", found, expected)


def _unknown(subject: str, count: int) -> Mismatch:
    """Nothing is known of them, which is no difference of the books, and no proof of them."""
    return Mismatch(subject, f"{count} not the same on every endpoint", "readable")
