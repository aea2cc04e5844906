"""Counts what changes while it is counted.

Every writer reads again after it wrote, and writes again if the facts changed in between. So of
two writers at the same time, the one that writes last has counted everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from worker.core.errors import NotReady

TRIES = 10
Facts = TypeVar("Facts")


class StillChanging(NotReady):
    """The facts change faster than they are counted."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} changed {TRIES} times while they were counted. Nothing is lost: run "
            "`kontrib recount` when less is going on."
        )


def write_until_stable(
    what: str,
    read: Callable[[Sequence[str]], dict[str, Facts]],
    write: Callable[[dict[str, Facts]], int],
    ids: Sequence[str],
) -> int:
    """Read facts by id and write them, until another read finds the same. Counts corrections.

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
