"""What a reader finds in a file, in short."""

from __future__ import annotations

from collections.abc import Iterator

from worker.core.wiki.files.reading import read_records
from worker.core.wiki.files.record import Record

BLOCK_SIZES = (1, 7, 1 << 16)


def records(content: bytes | str, block_size: int = 1 << 16) -> list[Record]:
    data = content.encode() if isinstance(content, str) else content
    return list(read_records(blocks(data, block_size)))


def users(content: bytes | str, block_size: int = 1 << 16) -> list[str]:
    """The user of each record, or the line of one that cannot be read: `u1`, `4!`."""
    return [
        str(found.values["user_id"]) if found.problem is None else f"{found.line}!"
        for found in records(content, block_size)
    ]


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
