"""Looks again for transactions, and writes back what it reads.

The receipt resolves a payout. Signature, slot and date come from the transaction, which a node may
return some blocks later, or only a node with full history. Transactions that resolve no payout are
read for their fee alone.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import datetime

from worker.core.cost import charge_of
from worker.core.errors import KontribError
from worker.core.payout.records import Payout, PayoutKind
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import PayoutNotOfPlan, outside_plan
from worker.services.payout.pages import other_transaction_pages, payout_pages, unread_pages
from worker.services.payout.settle import settle_from_chain
from worker.services.plan.seal import anchored_seal

CHUNK_PAYOUTS = 128
"""Transactions that are read at once. Each takes some 150 kB of memory."""


@dataclass(slots=True)
class ReadAgain:
    """How many payouts are complete now, and how many are still to be read later."""

    complete: int = 0
    later: int = 0
    unresolved: list[Payout] = field(default_factory=list)
    """Payouts whose receipt no majority of the endpoints shows as paid or void now."""
    outside: list[PayoutNotOfPlan] = field(default_factory=list)
    """Payouts outside the plan, which are not read."""


def read_again(context: Context, planned: PlannedWeek, *, due: datetime | None) -> ReadAgain:
    """Read the transactions of resolved payouts that lack signature, slot or date.

    `due` leaves out those whose next look comes later.

    Raises:
        NotAnchored, AnchorUnknown, PlanDoesNotMatchRoot: nothing is read.
    """
    rows, read = None, ReadAgain()
    for page in unread_pages(context.store, planned.plan_id, CHUNK_PAYOUTS, due=due):
        rows = rows or AnchoredRows(context, planned, anchored_seal(context, planned))
        outside = outside_plan(context.store, planned, page)
        settlements = settle_from_chain(rows, [p for p in page if p.id not in outside])
        read.complete += (complete := sum(each.missing is None for each in settlements))
        read.later += len(settlements) - complete
        known = {each.payout.id for each in settlements} | outside.keys()
        read.unresolved += [p for p in page if p.id not in known]
        read.outside += outside.values()
    return read


def write_back(context: Context, planned: PlannedWeek) -> None:
    """Read all transactions of a week again if one of its paid rewards lacks their facts.

    Rewards may differ from their payout: another system or a person changed them.
    """
    if not context.store.count_incomplete(planned.plan_id):
        return
    rows = AnchoredRows(context, planned, anchored_seal(context, planned))
    for page in payout_pages(context.store, planned.plan_id, CHUNK_PAYOUTS):
        settle_from_chain(rows, [p for p in page if p.kind is not PayoutKind.ANCHOR])


def unread_payouts(context: Context, planned: PlannedWeek) -> list[Payout]:
    """The payouts of the plan that the chain has resolved, and whose facts are incomplete."""
    found: list[Payout] = []
    for page in unread_pages(context.store, planned.plan_id, CHUNK_PAYOUTS, due=None):
        outside = outside_plan(context.store, planned, page)
        found += [p for p in page if p.reason is not None and p.id not in outside]
    return found


def read_charges(context: Context, week: Week) -> None:
    """Record what the week's other transactions have cost, as far as endpoints return them.

    Nobody's payment depends on it. So an error ends it, and the rest is read at the next call.
    """
    with contextlib.suppress(KontribError):
        for page in other_transaction_pages(context.store, week, CHUNK_PAYOUTS):
            unread = [each for each in page if each.charge is None]
            if not unread:
                continue
            height = context.chain.finalized_height().block_height
            found = context.chain.charges([it.signature for it in unread])
            charges = {
                it.signature: charge_of(it, found.get(it.signature), height) for it in unread
            }
            known = {signature: it for signature, it in charges.items() if it is not None}
            if known:
                context.store.record_charges(known)
