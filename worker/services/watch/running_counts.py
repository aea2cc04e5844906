"""Running counts: from the memory of each process into the store, where an exporter reads them."""

from __future__ import annotations

from collections.abc import Mapping

from worker.core.errors import KontribError
from worker.ports.payout import Store


class CountKeeper:
    """Adds what was counted since the last time. Counters are only read, never reset here, so
    that threads may go on counting."""

    def __init__(self, sources: Mapping[str, Mapping[str, int]]) -> None:
        """`sources` are live counters, by the prefix of their counts' names."""
        self._sources = sources
        self._written: dict[str, int] = {}

    def flush(self, store: Store) -> None:
        """Write what is new. What cannot be written now is written the next time."""
        counted = {
            prefix + name: count
            for prefix, counter in self._sources.items()
            for name, count in list(counter.items())
        }
        new = {n: c - self._written.get(n, 0) for n, c in counted.items()}
        try:
            store.add_counts({name: count for name, count in new.items() if count > 0})
        except KontribError:
            return  # the database is away; no work may fail for a count
        self._written = counted
