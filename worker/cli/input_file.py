"""Lines of a file or of standard input, gzip or not, in bounded memory."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from worker.core.errors import KontribError, UsageError
from worker.core.wiki.contribution_lines import LINE_BYTES_MAX

GZIP_MAGIC = b"\x1f\x8b"


class FileUnusable(UsageError):
    """The file cannot be opened."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be read: {why}.")


class FileBreaksOff(KontribError):
    """The file is damaged from a line on."""

    def __init__(self, name: str, lines: int, why: str) -> None:
        super().__init__(
            f"{name} breaks off after line {lines:,} ({why}). Everything before that is imported; "
            "run the import again with the whole file, and the rest is added."
        )


def cut_lines(stream: io.BufferedIOBase | BinaryIO) -> Iterator[bytes]:
    """Lines as they come, cut just above the limit."""
    while line := stream.readline(LINE_BYTES_MAX + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(LINE_BYTES_MAX)
        yield line


class Input:
    """The lines of one file. `failure` is set if the file breaks off."""

    def __init__(self, name: str, raw: BinaryIO) -> None:
        self.name, self._raw = name, raw
        self.lines_read = 0
        self.failure: FileBreaksOff | None = None
        buffered = io.BufferedReader(cast(io.RawIOBase, raw))
        is_gzip = buffered.peek(2)[:2] == GZIP_MAGIC
        self._stream: io.BufferedIOBase = gzip.GzipFile(fileobj=buffered) if is_gzip else buffered

    @property
    def bytes_total(self) -> int | None:
        """The file's size; None for a stream."""
        if not self._raw.seekable():
            return None
        return Path(self.name).stat().st_size if self.name != "-" else None

    @property
    def bytes_read(self) -> int:
        return self._raw.tell() if self._raw.seekable() else 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            for line in cut_lines(self._stream):
                self.lines_read += 1
                yield line
        except (EOFError, OSError, zlib.error) as error:
            self.failure = FileBreaksOff(self.name, self.lines_read, str(error))


@contextmanager
def open_input(name: str) -> Iterator[Input]:
    """
    Raises:
        FileUnusable: the file cannot be opened.
    """
    if name == "-":
        yield Input(name, cast(BinaryIO, sys.stdin.buffer))
        return
    with ExitStack() as opened:
        try:
            raw = opened.enter_context(Path(name).open("rb", buffering=0))
            source = Input(name, cast(BinaryIO, raw))
        except OSError as error:
            raise FileUnusable(name, error.strerror or str(error)) from None
        yield source
