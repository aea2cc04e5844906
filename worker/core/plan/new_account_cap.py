"""Caps the token accounts that a week creates at our cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from worker.core.plan.entrant import Entrant

OVER_ACCOUNT_CAP = "waits for a token account: this week's limit is reached"


def cap_new_accounts(entrants: Iterable[Entrant], limit: int) -> Iterator[Entrant]:
    """The same entrants in the same order. Each that needs an account beyond the limit is held."""
    needed = 0
    for entrant in entrants:
        needed += entrant.needs_account
        if entrant.needs_account and needed > limit:
            yield replace(entrant, wallet="", hold=OVER_ACCOUNT_CAP, needs_account=False)
        else:
            yield entrant
