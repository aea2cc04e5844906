"""What the transaction of a payout does, and whether a transaction on the chain did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from worker.core.payout.chain import Execution, Intent, Transfer
from worker.core.plan.commitment import Row
from worker.core.plan.receipts import Resolution


def batch_intent(receipt: str, rows: Sequence[Row], *, void: bool) -> Intent:
    """Pay a batch, or void it so that its rewards can be paid alone."""
    if void:
        return Intent(receipts=(receipt,), resolution=Resolution.VOID, memo=receipt)
    return Intent(
        receipts=(receipt,),
        resolution=Resolution.PAID,
        transfers=tuple(Transfer(row.wallet, row.amount) for row in rows),
        memo=receipt,
    )


def single_intent(receipt: str, transfer: Transfer) -> Intent:
    """Pay one reward alone. A single is never voided: it waits under its one id."""
    return Intent(
        receipts=(receipt,), resolution=Resolution.PAID, transfers=(transfer,), memo=receipt
    )


def moved(execution: Execution, expected: Sequence[Transfer]) -> bool:
    """Whether a transaction moved exactly these amounts, and the source lost just their sum."""
    same = sums_by_wallet(execution.transfers) == sums_by_wallet(expected)
    return same and execution.source_decrease == sum(t.amount for t in expected)


def sums_by_wallet(transfers: Iterable[Transfer]) -> Counter[str]:
    """Amounts by wallet, so that the order of transfers does not matter."""
    sums: Counter[str] = Counter()
    for transfer in transfers:
        sums[transfer.wallet] += transfer.amount
    return sums
