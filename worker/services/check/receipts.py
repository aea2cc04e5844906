"""Compares the receipts of a plan on chain with its payouts in the database."""

from __future__ import annotations

from collections.abc import Mapping

from worker.core.chunks import chunks
from worker.core.findings import Check
from worker.core.lifecycle import PayoutStatus
from worker.core.payout.comparison import compare_receipt, receipt_of
from worker.core.plan.receipts import ReceiptState, anchor_ids, single_id
from worker.core.week import Week
from worker.ports.payout import Chain
from worker.services.check.plan_pages import Fields, Page

RECEIPTS_AT_ONCE = 100


class ReceiptCheck:
    """The receipts of one plan. With `is_read_back`, `reconcile` compares the recorded payouts with
    their transactions, so this check reads the receipts of unrecorded payouts only."""

    def __init__(self, chain: Chain, *, is_read_back: bool) -> None:
        self._chain, self._is_read_back = chain, is_read_back

    def of_anchor(self, week: Week, root: bytes, check: Check) -> None:
        if not self._is_read_back:
            for receipt, state in self._chain.receipts(anchor_ids(week, root)).items():
                why = "(the plan is anchored)"
                compare_receipt(f"receipt {receipt}", state, ReceiptState.PAID, why, check)

    def of_payouts(self, page: Page, check: Check) -> None:
        """Compare every batch, and every reward that can be paid alone, recorded or not."""
        header, recorded = page.header, dict[str, Fields | None]()
        for index in page.indexes:
            recorded[str(header.batch_id(index))] = page.batches.get(index)
        for position, row in page.rows().items():
            batch = page.batches.get(position // header.batch_size, {}) if page.indexes else None
            is_alone = batch is None or batch.get("status") == PayoutStatus.VOID
            if is_alone or position in page.singles:
                recorded[single_id(header.week, row.user)] = page.singles.get(position)
        self._compare(recorded, check)

    def _compare(self, recorded: Mapping[str, Fields | None], check: Check) -> None:
        wanted = (i for i, payout in recorded.items() if payout is None or not self._is_read_back)
        for ids in chunks(wanted, RECEIPTS_AT_ONCE):
            states = self._chain.receipts(ids)
            known = sorted(i for i in ids if states[i] is not ReceiptState.UNKNOWN)
            if unknown := [receipt for receipt in ids if receipt not in known]:
                # One finding is enough: the database may be right.
                what = f"{len(unknown)} not the same on every endpoint"
                check.unproven(f"receipts from {unknown[0]}", what)
            for receipt in known:
                payout = recorded[receipt]
                status = "not recorded" if payout is None else payout.get("status")
                why = f"({status} in the database)"
                subject, expected = f"payout {receipt}", receipt_of(status)
                compare_receipt(subject, states[receipt], expected, why, check)
