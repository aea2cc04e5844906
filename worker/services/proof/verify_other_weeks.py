"""Compares payments for other weeks with the bundles of those weeks.

A receipt only proves that an id is spent. The anchored plan of a week proves that the id belongs to
the week, and its amount.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence, Set

from worker.core.findings import Check, Outcome
from worker.core.money import tokens_text
from worker.core.plan.commitment import Row
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import anchor_ids, single_id
from worker.core.proof.bundle import PAYOUTS_FILE, PLAN_FILE
from worker.core.proof.verify_files import verify_files
from worker.core.week import Week
from worker.ports.payout import Outflow, PublicChain
from worker.services.proof.bundle_files import BundleFiles
from worker.services.proof.verify_anchor import resolved_together


def verify_other_week(
    chain: PublicChain,
    bundle: BundleFiles | None,
    week: Week,
    outflows: Sequence[Outflow],
    check: Check,
) -> int:
    """Compare outflows that name payments of another week with its plan. Returns how many outflows
    the plan explains. `bundle` is the week's bundle, or None if it is missing."""
    if bundle is not None and _is_the_anchored_plan(chain, bundle, week):
        return _explained(bundle, week, outflows, check)
    why = "is not beside this one" if bundle is None else "beside this one does not hold"
    for outflow in outflows:
        what = f"only the plan of {week.label} explains it, and its bundle {why}"
        check.unproven(outflow.signature, f"{taken_text(outflow)} for {outflow.memo}: {what}")
    return 0


def taken_text(outflow: Outflow) -> str:
    amount = tokens_text(outflow.amount)
    return f"{amount} KONTRIB left the source account in slot {outflow.slot}"


def _is_the_anchored_plan(chain: PublicChain, bundle: BundleFiles, week: Week) -> bool:
    """Whether the files agree with each other, and the chain anchors their root for the week."""
    files = verify_files(bundle.manifest(), bundle.lines(PAYOUTS_FILE), bundle.lines(PLAN_FILE))
    if files.header is None or files.header.week != week or files.outcome is not Outcome.OK:
        return False
    anchor, memo = Check("anchor"), AnchorMemo.of(files.header, files.root).text()
    resolved_together(chain, anchor_ids(week, files.root), memo, anchor)
    return anchor.outcome is Outcome.OK


def _explained(bundle: BundleFiles, week: Week, outflows: Sequence[Outflow], check: Check) -> int:
    planned = _planned_amounts(bundle, week, {outflow.memo for outflow in outflows})
    explained = 0
    for outflow in outflows:
        amount, named = planned.get(outflow.memo), f"{taken_text(outflow)}: it names {outflow.memo}"
        if amount is None:
            check.wrong(outflow.signature, f"{named}, which the plan of {week.id} does not have")
        elif amount != outflow.amount:
            what = f"of {tokens_text(amount)} KONTRIB by the plan of {week.id}"
            check.wrong(outflow.signature, f"{named}, {what}")
        else:
            explained += 1
    return explained


def _planned_amounts(bundle: BundleFiles, week: Week, ids: Set[str]) -> Counter[str]:
    """The planned amount of each of these batches and singles. Leaves out unplanned ids."""
    amounts: Counter[str] = Counter()
    for line in itertools.islice(bundle.lines(PLAN_FILE), 1, None):
        row = Row.parse(line.removesuffix(b"\n"))
        for payment in ids & {row.batch, single_id(week, row.user)}:
            amounts[payment] += row.amount
    return amounts
