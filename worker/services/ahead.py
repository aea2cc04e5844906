"""Lets a process work while it waits: for the database, or for the chain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

Item = TypeVar("Item")
_END = object()
WRITERS = 3
"""Writes at the same time. Each takes a connection, and most of a processor of the database."""


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items in order, each made in a thread while the caller works on the one before.

    One of the two usually waits for the database or for the chain. At most one item is made ahead.
    An error of the thread is raised here, in the place of its item.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, iterator, _END)
            yield cast(Item, item)


@contextmanager
def meanwhile(work: Callable[[], Item]) -> Iterator[Future[Item]]:
    """Do `work` in a thread while the block runs, and wait for it at the end of the block."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(work)


def side_by_side(write: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Call `write` for each item in a thread, for several items at the same time.

    The next item is made meanwhile. An error is raised when all calls under way have ended.
    """
    with ThreadPoolExecutor(WRITERS) as threads:
        under_way: deque[Future[object]] = deque()
        for item in items:
            if len(under_way) == WRITERS:
                under_way.popleft().result()
            under_way.append(threads.submit(write, item))
        for each in under_way:
            each.result()
