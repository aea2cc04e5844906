"""The users of a plan in canonical order: ascending by user commitment.

A large week's roster does not fit into a worker's memory, so it is sorted in files: runs of some
thousand entrants are sorted in memory, written to an anonymous file, and merged into another one.
Every pass reads that file from its beginning. A small week's roster stays in memory.
"""

from __future__ import annotations

import heapq
import itertools
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator

from worker.core.chunks import chunks
from worker.core.errors import KontribError, NotReady
from worker.core.plan.entrant import Entrant, commitment_of, pack, unpack

RUN_RECORDS_MAX = 25_000
"""Records that are sorted in memory: some 4.5 MB of entrants."""
BLOCK_RECORDS = 500
"""Records that are read at once from each run: some 60 kB."""
_LENGTH_BYTES = 4


class UserTwice(KontribError):
    """A user is twice in a roster, and would be paid twice. A bug: the roster is not used."""

    def __init__(self, entrant: Entrant) -> None:
        self.entrant = entrant
        super().__init__(
            f"User {entrant.user_id} is twice among the users who qualify. Nothing was written; "
            "report this with the week's data."
        )


class NoRoomToSort(NotReady):
    """The temporary file for sorting many users cannot be made or written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"The users cannot be sorted in a temporary file ({error}). A million users take "
            "250 MB. Make room for temporary files, or set TMPDIR to a larger disk."
        )


class Roster:
    """Entrants in canonical order, each user once. Many readers can read at the same time.

    Raises:
        UserTwice: two entrants have the same commitment.
        NoRoomToSort: there are too many for the memory, and no room for a temporary file.
    """

    def __init__(
        self, entrants: Iterable[Entrant], run_entrants_max: int = RUN_RECORDS_MAX
    ) -> None:
        self._packed = sorted_outside(map(pack, entrants), run_entrants_max, _each_once)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Entrant]:
        return map(unpack, self._packed)


class _Spool:
    """Records in an anonymous file, which the system removes even after a crash."""

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - see finalize
        except OSError as error:
            raise NoRoomToSort(error) from error
        weakref.finalize(self, self._file.close)
        self._blocks: list[tuple[int, int]] = []  # (offset, size) in bytes
        self._count = self._size = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return self.read(range(len(self._blocks)))

    def append(self, records: Iterable[bytes]) -> range:
        """Append records. Returns their blocks."""
        first = len(self._blocks)
        for block in chunks(records, BLOCK_RECORDS):
            framed = (len(each).to_bytes(_LENGTH_BYTES) + each for each in block)
            self._write(b"".join(framed))
            self._count += len(block)
        return range(first, len(self._blocks))

    def read(self, blocks: range) -> Iterator[bytes]:
        """The records of some blocks, in the order they were written."""
        for offset, size in map(self._blocks.__getitem__, blocks):
            # Several readers share the file, so each gives its own offset.
            data = os.pread(self._file.fileno(), size, offset)
            at = 0
            while at < size:
                start = at + _LENGTH_BYTES
                at = start + int.from_bytes(data[at:start])
                yield data[start:at]

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):  # a full disk accepts only a part
                written += self._file.write(data[written:])
        except OSError as error:
            raise NoRoomToSort(error) from error
        self._blocks.append((self._size, len(data)))
        self._size += len(data)


def sorted_outside(
    records: Iterable[bytes],
    run_max: int = RUN_RECORDS_MAX,
    checked: Callable[[Iterable[bytes]], Iterable[bytes]] = iter,
) -> list[bytes] | _Spool:
    """Sort records, in a file if there are many. The result can be read many times.

    `checked` gets them once in ascending order, and passes them on or raises.

    Raises:
        NoRoomToSort: there are too many for the memory, and no room for a temporary file.
    """
    records = iter(records)
    run = sorted(itertools.islice(records, run_max))
    if len(run) < run_max:
        return list(checked(run))
    spool, runs = _Spool(), []
    while run:
        runs.append(spool.append(run))
        run = sorted(itertools.islice(records, run_max))
    merged = _Spool()
    merged.append(checked(heapq.merge(*map(spool.read, runs))))
    return merged


def _each_once(ascending: Iterable[bytes]) -> Iterator[bytes]:
    """Pass records on until two have the same commitment, then raise `UserTwice`."""
    before = b""
    for record in ascending:
        commitment = commitment_of(record)
        if commitment == before:
            raise UserTwice(unpack(record))
        before = commitment
        yield record
