"""From what the chain says of a payout to what the database records of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.core.lifecycle import PayoutStatus
from worker.core.payout.records import Execution, Payout, Settlement, Transfer
from worker.core.plan.commitment import PlanDoesNotMatchRoot
from worker.core.plan.receipts import ReceiptState
from worker.ports.payout import Chain, PublicChain
from worker.services.context import Context
from worker.services.payout.intents import Payer, moved

RESOLVED: Mapping[ReceiptState, PayoutStatus] = {
    ReceiptState.PAID: PayoutStatus.PAID,
    ReceiptState.VOID: PayoutStatus.VOID,
}


def read_back(context: Context, payouts: Sequence[Payout]) -> dict[str, Execution]:
    """The transactions that resolved these payouts: by a signature we know, else by search."""
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
    known = {receipt: signature for receipt, signature in signatures.items() if signature}
    found = chain.executions_of(known) if known else {}
    rest = [receipt for receipt in signatures if receipt not in found]
    return found | (chain.executions(rest) if rest else {})


def settlement_of(
    payer: Payer,
    payout: Payout,
    status: PayoutStatus,
    execution: Execution | None,
    expected: Sequence[Transfer] | None = None,
) -> Settlement:
    """What to record of a resolved payout. `expected` spares reading rows that were just verified.

    Without a readable transaction it is paid, unverified, and never paid again.
    """
    if execution is None:
        return Settlement(payout, status, None, None, None, verified=False)
    if status is PayoutStatus.VOID:
        verified = moved(execution, [])
    elif expected is not None:
        verified = moved(execution, expected)
    else:
        verified = _paid_as_planned(payer, payout, execution)
    return Settlement(
        payout=payout,
        status=status,
        signature=execution.signature,
        slot=execution.slot,
        fee=execution.fee,
        verified=verified,
        landed_at=execution.landed_at,
    )


def _paid_as_planned(payer: Payer, payout: Payout, execution: Execution) -> bool:
    """What the chain paid is paid, also where our rows of it were changed since."""
    try:
        return payer.paid_as_planned(payout, execution)
    except PlanDoesNotMatchRoot:
        return False


def settle_from_chain(
    context: Context, payer: Payer, payouts: Sequence[Payout]
) -> list[Settlement]:
    """Write back whatever the chain has resolved of these payouts of the plan. Signs nothing."""
    foreign = payer.foreign(payouts)
    payouts = [p for p in payouts if p.id not in foreign]
    states = context.chain.receipts([p.id for p in payouts])
    resolved = [p for p in payouts if states[p.id] in RESOLVED]
    executions = read_back(context, resolved)
    settlements = [
        settlement_of(payer, p, RESOLVED[states[p.id]], executions.get(p.id)) for p in resolved
    ]
    if settlements:
        context.store.settle(settlements, context.clock.now())
    return settlements
