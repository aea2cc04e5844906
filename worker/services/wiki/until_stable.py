"""Writes counters, although the counted facts may change during the count.

Every writer reads the facts again after writing, and repeats both if the facts have changed. So if
two writers work at the same time, the last one has counted everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from worker.core.errors import NotReady

TRIES = 10
Facts = TypeVar("Facts")


class StillChanging(NotReady):
    """The facts kept changing during the count."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} changed {TRIES} times while they were counted. Nothing is lost: run "
            "`kontrib recount` at a quieter time."
        )


def write_until_stable(
    what: str,
    read: Callable[[Sequence[str]], dict[str, Facts]],
    write: Callable[[dict[str, Facts]], int],
    ids: Sequence[str],
) -> int:
    """Read and write facts until they stay the same. Returns how many documents were corrected.

    Raises:
        StillChanging: the facts changed at every try.
    """
    if not ids:
        return 0
    facts, corrected = read(ids), 0
    for _ in range(TRIES):
        corrected += write(facts)
        again = read(list(facts))
        facts = {key: value for key, value in again.items() if value != facts[key]}
        if not facts:
            return corrected
    raise StillChanging(what)
