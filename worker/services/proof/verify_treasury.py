"""Finds tokens that left the treasury without a plan that explains them.

The period runs from a week's anchor to the next week's anchor. So the bundles of consecutive weeks
cover all time since the first anchor. The newest week's period ends with its last payment.
"""

from __future__ import annotations

import re
from collections.abc import Set

from worker.core.findings import Check
from worker.core.plan.receipts import ReceiptState, anchor_id
from worker.core.proof.bundle import Manifest
from worker.core.week import MalformedWeek, Week
from worker.core.wording import counted
from worker.ports.payout import Outflow, PublicChain
from worker.services.proof.bundle_files import BundleFiles
from worker.services.proof.verify_other_weeks import taken_text, verify_other_week
from worker.services.proof.verify_payments import PaymentsVerifier

_PAYMENT_ID = re.compile(r"(\d{4}-\d{2}-\d{2})/(?:\d{5,}|u/[0-9a-f]{64})", re.ASCII)


def verify_treasury(
    chain: PublicChain,
    manifest: Manifest,
    files: BundleFiles,
    anchor_slot: int | None,
    payouts: PaymentsVerifier,
) -> Check:
    """Check every outgoing transfer of the source account within the period.

    Raises:
        Unreachable: no endpoint answers.
    """
    check = Check("treasury")
    if anchor_slot is None:
        check.unproven("the source account", "the period is unknown without the anchor")
        return check
    payments = payouts.payments
    last_payment = max((payment.slot for payment in payments.values()), default=anchor_slot)
    last_slot = _next_anchor_slot(chain, manifest.week.next(), check) or last_payment
    history = chain.source_history(anchor_slot, last_slot)
    account = manifest.source_account
    ours = {it for it in history if it in payments and payments[it].source == account}
    for signature, payment in payments.items():
        if anchor_slot <= payment.slot <= last_slot and signature not in ours:
            why = "is not in the source account's history: another account, or history is missing"
            check.unproven(payment.receipt, f"{signature} {why}")
    others = [signature for signature in history if signature not in ours]
    unlisted = _Unlisted(chain, manifest, payouts.unread, check)
    outflows = chain.outflows(others)
    for signature in others:
        unlisted.add(signature, outflows.get(signature))
    other_weeks = sum(
        verify_other_week(chain, files.beside(week), week, unlisted.of_weeks[week], check)
        for week in sorted(unlisted.of_weeks)
    )
    check.detail = (
        f"slots {anchor_slot} to {last_slot}: {counted(len(history), 'transaction')}, "
        f"{counted(len(ours), 'payment')} of this week, "
        f"{other_weeks:,} of other weeks, {unlisted.harmless:,} that took nothing out"
    )
    return check


def _next_anchor_slot(chain: PublicChain, week: Week, check: Check) -> int | None:
    """The slot in which the next period begins. None if the week has no readable anchor."""
    receipt = anchor_id(week)
    if chain.receipts([receipt])[receipt] is ReceiptState.FREE:
        return None
    found = chain.executions([receipt]).get(receipt)
    if found is None:
        check.unproven(receipt, "cannot be read, and the period ends with it")
    return found.slot if found else None


class _Unlisted:
    """Sorts outflows that are not payments of this week into wrong ones and other weeks' ones."""

    def __init__(
        self, chain: PublicChain, manifest: Manifest, unread: Set[str], check: Check
    ) -> None:
        self._chain, self._manifest, self._unread, self._check = chain, manifest, unread, check
        self.of_weeks: dict[Week, list[Outflow]] = {}
        """Outflows that made a receipt of another week, by that week."""
        self.harmless = 0

    def add(self, signature: str, outflow: Outflow | None) -> None:
        check = self._check
        if outflow is None:
            check.unproven(signature, "mentions the source account and cannot be read")
        elif outflow.amount <= 0:
            self.harmless += 1
        elif outflow.memo in self._unread:
            what = f"for {outflow.memo}, which cannot be read"
            check.unproven(signature, f"{taken_text(outflow)} {what}")
        elif (week := _week_named(outflow.memo)) is None:
            check.wrong(signature, f"{taken_text(outflow)}: it names no payment of ours")
        elif (problem := self._problem(outflow, week)) is not None:
            check.wrong(signature, f"{taken_text(outflow)}: {problem}")
        else:
            self.of_weeks.setdefault(week, []).append(outflow)

    def _problem(self, outflow: Outflow, week: Week) -> str | None:
        """Why this cannot be a payment of another week. None if that week's plan must decide."""
        if week == self._manifest.week:
            return f"it names {outflow.memo}, which the plan lacks, or which was paid otherwise"
        # Weeks are anchored in order, so no later week can be paid in this period.
        if not self._manifest.first_week <= week < self._manifest.week:
            return f"it names {outflow.memo}, and {week.id} was not anchored by then"
        if outflow.memo not in self._chain.executions_of({outflow.memo: outflow.signature}):
            return f"it names {outflow.memo} and did not make its receipt"
        return None


def _week_named(memo: str) -> Week | None:
    named = _PAYMENT_ID.fullmatch(memo)
    try:
        return Week.parse(named[1]) if named else None
    except MalformedWeek:
        return None
