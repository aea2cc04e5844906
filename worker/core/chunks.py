"""Splits items into lists of a bounded size."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items in order; the last one may be shorter, and no list is empty.

    Raises:
        ValueError: the size is below 1, which would drop every item.
    """
    if size < 1:
        raise ValueError(f"chunks of {size} items")
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
