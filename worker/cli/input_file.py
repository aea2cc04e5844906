"""The bytes of a file or of standard input, unpacked, in little memory whatever they hold."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from worker.core.errors import KontribError, UsageError
from worker.core.wiki.files.record import RECORD_BYTES_MAX
from worker.core.wiki.files.source import BreaksOff

BLOCK_BYTES = 1 << 16
XZ_MEMORY_BYTES = 1 << 28
"""More than `xz -9` needs to unpack."""
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"


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


def cut_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they come, cut just above the limit."""
    while line := stream.readline(RECORD_BYTES_MAX + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(RECORD_BYTES_MAX)
        yield line


class Input:
    """The bytes of one file. `failure` is set where it breaks off."""

    def __init__(self, name: str, raw: BinaryIO) -> None:
        self.name, self._raw = name, raw
        self.lines_read = 0
        self.failure: FileBreaksOff | None = None

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
        """Blocks, cut anywhere.

        Raises:
            BreaksOff: the rest cannot be read.
        """
        try:
            for block in _unpacked(self._raw):
                self.lines_read += block.count(b"\n")
                yield block
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            self.failure = FileBreaksOff(self.name, self.lines_read, str(error))
            raise BreaksOff(str(error)) from None


def standard_input() -> BinaryIO:
    """
    Raises:
        FileUnusable: the process was started without one.
    """
    if sys.stdin is None:
        raise FileUnusable("-", "standard input is closed")
    return cast(BinaryIO, sys.stdin.buffer)


@contextmanager
def open_input(name: str) -> Iterator[Input]:
    """
    Raises:
        FileUnusable: the file cannot be opened.
    """
    if name == "-":
        yield Input(name, standard_input())
        return
    with ExitStack() as opened:
        try:
            raw = opened.enter_context(Path(name).open("rb", buffering=0))
        except (OSError, ValueError) as error:
            raise FileUnusable(name, getattr(error, "strerror", None) or str(error)) from None
        yield Input(name, cast(BinaryIO, raw))


def _unpacked(raw: BinaryIO) -> Iterator[bytes]:
    """The content of a file, compressed or not; told by its first bytes."""
    head = b""
    while len(head) < len(XZ) and (block := raw.read(BLOCK_BYTES)):
        head += block
    if (new_unpacker := _unpacker_of(head)) is not None:
        yield from _unpack(raw, head, new_unpacker)
        return
    while head:
        yield head
        head = raw.read(BLOCK_BYTES)


def _unpacker_of(head: bytes) -> Callable[[], Any] | None:
    if head.startswith(GZIP):
        return _Gzip
    if head.startswith(BZIP2):
        return bz2.BZ2Decompressor
    if head.startswith(XZ):
        return lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)
    return None


def _unpack(raw: BinaryIO, data: bytes, new_unpacker: Callable[[], Any]) -> Iterator[bytes]:
    """Streams one after the other, until the file ends. What is behind a stream is one, too.

    Raises:
        EOFError, OSError, zlib.error, lzma.LZMAError: the file is cut off or damaged.
    """
    unpacker = new_unpacker()
    while True:
        if unpacker.eof:
            # Archives may be padded with zero bytes.
            data = unpacker.unused_data.lstrip(b"\0")
            while not data and (block := raw.read(BLOCK_BYTES)):
                data = block.lstrip(b"\0")
            if not data:
                return
            unpacker = new_unpacker()
        elif unpacker.needs_input and not data and not (data := raw.read(BLOCK_BYTES)):
            raise EOFError("the archive ends before its end mark")
        if block := unpacker.decompress(data, BLOCK_BYTES):
            yield block
        data = b""


class _Gzip:
    """One gzip stream, with the interface of the decompressors of bzip2 and xz."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, size_max: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, size_max)
