"""Records in the database how the chain resolved payouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.core.lifecycle import PayoutStatus
from worker.core.payout.chain import Execution, Transfer
from worker.core.payout.intent import moved
from worker.core.payout.records import Payout, PayoutKind, Settlement
from worker.core.plan.commitment import PlanDoesNotMatchRoot
from worker.core.plan.receipts import ReceiptState
from worker.ports.payout import Chain, PublicChain
from worker.services.context import Context
from worker.services.payout.anchored_rows import AnchoredRows
from worker.services.payout.outside_plan import outside_plan

RESOLVED: Mapping[ReceiptState, PayoutStatus] = {
    ReceiptState.PAID: PayoutStatus.PAID,
    ReceiptState.VOID: PayoutStatus.VOID,
}


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


def settle(
    rows: AnchoredRows,
    payouts: Sequence[Payout],
    states: Mapping[str, PayoutStatus],
    signed_here: Mapping[str, Sequence[Transfer]],
) -> list[Settlement]:
    """Read the transactions of resolved payouts back, and write what they did.

    `signed_here` holds the transfers by signature that were verified when they were signed, which
    spares reading their rows again.
    """
    executions = read_back(rows.context, payouts)
    settlements = [
        _settlement(rows, p, states[p.id], executions.get(p.id), signed_here) for p in payouts
    ]
    if settlements:
        rows.context.store.settle(settlements, rows.context.clock.now())
    return settlements


def settle_from_chain(rows: AnchoredRows, payouts: Sequence[Payout]) -> list[Settlement]:
    """Write back whatever the chain has resolved of these payouts of the plan. Signs nothing."""
    outside = outside_plan(rows.context.store, rows.planned, payouts)
    payouts = [p for p in payouts if p.id not in outside]
    receipts = rows.context.chain.receipts([p.id for p in payouts])
    states = {i: RESOLVED[state] for i, state in receipts.items() if state in RESOLVED}
    return settle(rows, [p for p in payouts if p.id in states], states, {})


def paid_as_planned(rows: AnchoredRows, payout: Payout, execution: Execution) -> bool:
    """Whether a payment moved exactly the amounts of its rows, and the source lost exactly that.

    A single is compared by its amount: its wallet is today's or an operator's, and an old
    backup may not know which one it was.

    Raises:
        PlanDoesNotMatchRoot: a batch's rows are not the anchored ones, or a single's is gone.
    """
    if payout.kind is PayoutKind.BATCH:
        batch = rows.of_batch(payout.index)
        return moved(execution, [Transfer(row.wallet, row.amount) for row in batch])
    if (row := rows.at(payout.index)) is None:
        raise PlanDoesNotMatchRoot(f"The row of {payout.id}", rows.seal.root, b"")
    wallets = {transfer.wallet for transfer in execution.transfers}
    return len(wallets) == 1 and moved(execution, [Transfer(wallets.pop(), row.amount)])


def _settlement(
    rows: AnchoredRows,
    payout: Payout,
    status: PayoutStatus,
    execution: Execution | None,
    signed_here: Mapping[str, Sequence[Transfer]],
) -> Settlement:
    """Without a readable transaction it is paid, unverified, and never paid again."""
    if execution is None:
        return Settlement(payout, status, None, None, None, verified=False)
    expected = [] if status is PayoutStatus.VOID else signed_here.get(execution.signature)
    try:
        if expected is None:
            verified = paid_as_planned(rows, payout, execution)
        else:
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
