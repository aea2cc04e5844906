"""Reads how the chain resolved payouts, for the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from worker.core.lifecycle import PayoutStatus
from worker.core.payout.backoff import next_reading_at
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.comparison import RESOLVED, recipient_of
from worker.core.payout.intent import moved
from worker.core.payout.records import Payout, PayoutKind, Settlement
from worker.core.plan.commitment import PlanDoesNotMatchRoot, Row
from worker.ports.payout import Chain, PublicChain
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan


def read_back(context: Context, payouts: Sequence[Payout]) -> dict[str, Execution]:
    """The transactions that resolved these payouts: by a known signature, else by search."""
    return find_executions(
        context.chain,
        {p.id: p.signature or (p.attempt.signature if p.attempt else "") for p in payouts},
    )


def find_executions(
    chain: Chain | PublicChain, signatures: Mapping[str, str]
) -> dict[str, Execution]:
    """The transactions that resolved these ids: by a signature where one is given, else by search.

    An id whose transaction no endpoint returns is absent.
    """
    found = chain.executions_of({i: known for i, known in signatures.items() if known})
    rest = [receipt for receipt in signatures if receipt not in found]
    return found | (chain.executions(rest) if rest else {})


def read_settlements(
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    states: Mapping[str, PayoutStatus],
    signed_here: Mapping[str, Sequence[Transfer]],
    keeps: Callable[[Settlement], bool] = lambda _: False,
) -> list[Settlement]:
    """Read the transactions of resolved payouts. Records nothing.

    `signed_here`: transfers by signature. They were verified at signing, so their rows are not read
    again. `keeps`: incomplete settlements that are left out, since the caller looks again.
    """
    context, executions = rows.context, read_back(rows.context, payouts)
    now, scale = context.clock.now(), context.limits.backoff_scale
    settlements: list[Settlement] = []
    for payout in payouts:
        found = executions.get(payout.id)
        settlement = _settlement(rows, payout, states[payout.id], found, signed_here)
        if settlement.missing is not None:
            if keeps(settlement):
                continue
            again = next_reading_at(now, payout, scale=scale)
            settlement = replace(settlement, next_look_at=again)
        settlements.append(settlement)
    return settlements


def settle_from_chain(rows: AnchoredRows, payouts: Sequence[Payout]) -> list[Settlement]:
    """Record which of these payouts the chain has resolved. Signs nothing."""
    outside = outside_plan(rows.context.store, rows.planned, payouts)
    payouts = [p for p in payouts if p.id not in outside]
    receipts = rows.context.chain.receipts([p.id for p in payouts])
    states = {i: RESOLVED[state] for i, state in receipts.items() if state in RESOLVED}
    settlements = read_settlements(rows, [p for p in payouts if p.id in states], states, {})
    rows.context.store.settle(settlements, rows.context.clock.now())
    return settlements


def planned_transfers(rows: AnchoredRows, payout: Payout, found: Execution) -> list[Transfer]:
    """The transfers that the plan requires of a payment.

    A single is compared by its amount alone. An old backup may not know the wallet that the user
    or an operator chose, so the wallet is the one that was paid.

    Raises:
        PlanDoesNotMatchRoot: the rows of a batch were changed, or the row of a single is missing.
    """
    if payout.kind is PayoutKind.ANCHOR:
        return []
    if payout.kind is PayoutKind.BATCH:
        return transfers_of(rows.of_batch(payout.index))
    if (row := rows.at(payout.index)) is None:
        raise PlanDoesNotMatchRoot(f"The row of {payout.id}", rows.seal.root, b"")
    return [Transfer(recipient_of(found), row.amount)]


def transfers_of(batch: Sequence[Row]) -> list[Transfer]:
    """The transfers that pay the rows of a batch."""
    return [Transfer(row.wallet, row.amount) for row in batch]


def _settlement(
    rows: AnchoredRows,
    payout: Payout,
    status: PayoutStatus,
    execution: Execution | None,
    signed_here: Mapping[str, Sequence[Transfer]],
) -> Settlement:
    """A payout without a readable transaction is resolved, but not verified."""
    if execution is None:
        return Settlement(payout, status, None, None, None, verified=False)
    expected = [] if status is PayoutStatus.VOID else signed_here.get(execution.signature)
    try:
        if expected is None:
            expected = planned_transfers(rows, payout, execution)
        verified = moved(execution, expected)
    except PlanDoesNotMatchRoot:
        verified = False  # the payment stands, although the stored rows were changed since
    return Settlement(
        payout=payout,
        status=status,
        signature=execution.signature,
        slot=execution.slot,
        fee=execution.fee,
        verified=verified,
        landed_at=execution.landed_at,
    )
