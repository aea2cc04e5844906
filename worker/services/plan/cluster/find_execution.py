"""Finds the transaction that allocated a receipt, however many strangers mention the receipt.

A try reads a bounded part of the receipt's history. The place is stored, so that the next try goes
on from there, in any process.
"""

from __future__ import annotations

from worker.core.payout.chain import Execution
from worker.services.context import Context


def find_execution(context: Context, receipt_id: str) -> tuple[Execution | None, bool]:
    """The transaction, or None. The second value reports whether the next try reads on.

    After the end of every endpoint's history, the next try begins anew.

    Raises:
        Unreachable: no endpoint answers.
    """
    name = f"search/{receipt_id}"
    place = context.store.figures(name).get("place")
    found = context.chain.search_execution(receipt_id, place)
    if found.place != place:
        context.store.record_figures(name, {"place": found.place})
    return found.execution, found.place is not None
