"""Whether anything left the treasury that no receipt explains.

The period runs from a week's anchor to the next week's, so that the bundles of consecutive weeks
cover all time since the first anchor; of the newest week it runs to its last payment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from worker.core.findings import Check
from worker.core.memo import AnchorMemo
from worker.core.money import tokens_text
from worker.core.week import MalformedWeek, Week
from worker.ports import Outflow, PublicChain
from worker.services.audit_payouts import Payment
from worker.services.audit_plan import read_anchor_memo

_PAYMENT_ID = re.compile(r"(\d{4}-\d{2}-\d{2})/(?:(\d{5,})|u/[0-9a-f]{64})")


def audit_treasury(
    chain: PublicChain, week: Week, anchor_slot: int | None, payments: Mapping[str, Payment]
) -> Check:
    """Every outgoing transfer of the source account within the period.

    Raises:
        Unreachable: no endpoint answers.
    """
    check = Check("treasury")
    if anchor_slot is None:
        check.unproven("the source account", "the period is unknown without the anchor")
        return check
    following = read_anchor_memo(chain, week.next())
    last_payment = max((payment.slot for payment in payments.values()), default=anchor_slot)
    last_slot = following[1] if following else last_payment
    history = chain.source_history(anchor_slot, last_slot)
    listed = set(history)
    for signature, payment in payments.items():
        if anchor_slot <= payment.slot <= last_slot and signature not in listed:
            why = "is not in the source account's history: another account, or history is missing"
            check.unproven(payment.id, f"{signature} {why}")
    others = [signature for signature in history if signature not in payments]
    explained = _Explained(chain, week, check)
    outflows = chain.outflows(others)
    for signature in others:
        explained.add(signature, outflows.get(signature))
    check.detail = (
        f"slots {anchor_slot} to {last_slot}: {len(history):,} transactions, "
        f"{len(listed & payments.keys()):,} payments of this week, "
        f"{explained.other_weeks:,} of other weeks, {explained.harmless:,} that took nothing out"
    )
    return check


class _Explained:
    """Explains outflows that are no payment of this week, or names them."""

    def __init__(self, chain: PublicChain, week: Week, check: Check) -> None:
        self._chain, self._week, self._check = chain, week, check
        self._anchors: dict[Week, tuple[AnchorMemo, int] | None] = {}
        self.other_weeks = 0
        self.harmless = 0

    def add(self, signature: str, outflow: Outflow | None) -> None:
        if outflow is None:
            self._check.unproven(signature, "mentions the source account and cannot be read")
        elif outflow.amount <= 0:
            self.harmless += 1
        elif (problem := self._problem(outflow)) is None:
            self.other_weeks += 1
        else:
            amount = f"{tokens_text(outflow.amount)} KONTRIB left the source account"
            self._check.wrong(signature, f"{amount} in slot {outflow.slot}: {problem}")

    def _problem(self, outflow: Outflow) -> str | None:
        """Why it is no payment of another anchored week; None if it is one."""
        named = _PAYMENT_ID.fullmatch(outflow.memo)
        if named is None:
            return "it names no payment of ours"
        try:
            week = Week.parse(named[1])
        except MalformedWeek:
            return "it names no payment of ours"
        if week == self._week:
            return f"it names {outflow.memo}, which the plan does not have or was paid otherwise"
        if outflow.memo not in self._chain.executions_of({outflow.memo: outflow.signature}):
            return f"it names {outflow.memo} and did not make its receipt"
        return self._problem_with_week(week, named[2], outflow)

    def _problem_with_week(self, week: Week, index: str | None, outflow: Outflow) -> str | None:
        if week not in self._anchors:
            self._anchors[week] = read_anchor_memo(self._chain, week)
        anchor = self._anchors[week]
        if anchor is None:
            return f"it names {outflow.memo}, and {week.id} is not anchored"
        memo, slot = anchor
        if outflow.slot < slot or (index is not None and int(index) >= memo.batches):
            return f"it names {outflow.memo}, which the anchored plan of {week.id} does not have"
        return None
