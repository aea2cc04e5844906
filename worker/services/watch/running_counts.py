"""Moves running counts from each process into the store, where an exporter reads them."""

from __future__ import annotations

from collections.abc import Mapping

from worker.core.errors import KontribError
from worker.ports.payout import Store


class CountKeeper:
    """Adds new counts to the store. It reads the counters and never resets them, so that threads
    may count at the same time."""

    def __init__(self, sources: Mapping[str, Mapping[str, int]]) -> None:
        """`sources` are live counters, by the prefix of their counts' names."""
        self._sources = sources
        self._written: dict[str, int] = {}

    def flush(self, store: Store) -> None:
        """Write the new counts. If that fails, they are written the next time."""
        counted = {
            prefix + name: count
            for prefix, counter in self._sources.items()
            for name, count in list(counter.items())
        }
        new = {n: c - self._written.get(n, 0) for n, c in counted.items()}
        try:
            store.add_counts({name: count for name, count in new.items() if count > 0})
        except KontribError:
            return  # the database is unreachable, and a count must never stop any work
        self._written = counted
