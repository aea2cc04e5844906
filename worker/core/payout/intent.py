"""The transaction of a payout, and its comparison with a transaction on the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from worker.core.payout.chain import Execution, Intent, Transfer
from worker.core.plan.commitment import Row
from worker.core.plan.receipts import Resolution


def batch_intent(receipt: str, rows: Sequence[Row], *, void: bool) -> Intent:
    """Pay a batch, or void it so that its rewards can be paid alone."""
    transfers = () if void else tuple(Transfer(row.wallet, row.amount) for row in rows)
    resolution = Resolution.VOID if void else Resolution.PAID
    return Intent(receipts=(receipt,), resolution=resolution, transfers=transfers, memo=receipt)


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
