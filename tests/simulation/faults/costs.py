"""Compares the recorded cost of the weeks with what their transactions took from the fee payer.

The lamports are counted on the ledger, by the rules of the cluster.
"""

from __future__ import annotations

from tests.fakes.chain.transactions import TOKEN_ACCOUNT_RENT, Landed, rent_minimum
from tests.fakes.world import WEEK, World
from tests.simulation.happenings import NEXT_WEEK
from worker.core.cost import sum_of
from worker.core.plan.receipts import GENESIS_ID
from worker.ports.payout import Store
from worker.services.payout.pages import payout_pages
from worker.services.payout.read_again import read_charges
from worker.services.week.status import board

ONE_DATABASE = (
    "a whole week",
    "a created token account is gone again before the payment",
    "a second week lands slowly",
    "signing is paused and resumed, and nodes refuse for a while",
    "the plan's batches have become too large, and it is made again",
    "a batch that nobody can pay is made void",
    "transactions are not readable for a while",
)
"""Scenarios of one operator who keeps the database: every transaction is in it."""
WEEKS = (WEEK, NEXT_WEEK)
TIMES_TO_LOOK = (600, 10)
"""Seconds. The first look finds out that unknown transactions have expired."""


def compare_costs(world: World) -> list[str]:
    """A line if the recorded cost differs.

    A transaction that never landed may stay unread for ever, if nobody looked for it in time.
    """
    context = world.first
    for seconds in TIMES_TO_LOOK:
        world.clock.sleep(seconds)
        for week in WEEKS:
            read_charges(context, week)
    costs = context.chain.costs()
    found = sum_of(board(context.store, week).cost(costs) for week in WEEKS)
    spent = _spent(world)
    return [] if found.total == spent else [f"{found.total} lamports recorded, {spent} spent"]


def _spent(world: World) -> int:
    open_attempts = _open_attempts(world.first.store)
    return sum(
        _charged(landed)
        for landed in world.ledger.landed.values()
        if landed.request.fee_payer == "authority" and landed.signature not in open_attempts
        if not any(receipt == GENESIS_ID for receipt, _ in landed.request.allocations)
    )


def _charged(landed: Landed) -> int:
    if landed.error is not None:
        return landed.fee
    receipts = len(landed.request.allocations) * rent_minimum(landed.request.space)
    return landed.fee + receipts + landed.accounts * TOKEN_ACCOUNT_RENT


def _open_attempts(store: Store) -> set[str]:
    """A refused attempt is recorded when it is replaced, so the newest one is not yet."""
    plans = [d.plan_id for d in store.distributions() if d.plan_id]
    pages = (page for plan_id in plans for page in payout_pages(store, plan_id, 100))
    opened = [p for page in pages for p in page if not p.status.is_resolved]
    return {p.attempt.signature for p in opened if p.attempt is not None}
