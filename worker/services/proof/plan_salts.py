"""Lists the salts of all weeks, for the day on which the receipt key moves into a module.

A key in a module gives other salts than the same key in a file. A week keeps the salt with which it
was planned, or its rows could not be assigned to users any more.
"""

from __future__ import annotations

from worker.core.week import Week
from worker.services.context import Context
from worker.services.plan.genesis import first_week


def list_salts(context: Context) -> dict[str, bytes]:
    """The salts from the first week to the running one, by week id.

    Raises:
        NoGenesis, ReceiptUnknown: the first week is not known.
    """
    last = Week.containing(context.clock.now())
    return {week.id: context.chain.plan_salt(week) for week in first_week(context).until(last)}
