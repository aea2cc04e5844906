"""Work on many items in parts, so that memory holds one part at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive parts of `size` items, the last one perhaps shorter. Reads on demand."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
