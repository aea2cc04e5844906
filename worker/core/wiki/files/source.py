"""The bytes of a file as UTF-8, whatever Unicode encoding it has."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

HEAD_BYTES = 1 << 14
_SAMPLE_BYTES = 32
_BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class BreaksOff(Exception):
    """An iterator of blocks ends before its file does. The message is the reason."""


class Source:
    """A file, block by block. `broken` says why it ends before its end.

    `head` is the first bytes as the file has them, up to 16 KiB.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self.broken: str | None = None
        self.head = b""
        while len(self.head) < HEAD_BYTES and (block := self._next_block()):
            self.head += block
        mark, self._encoding = _encoding_of(self.head)
        self._decoder: codecs.IncrementalDecoder | None = None
        if self._encoding:
            self._decoder = codecs.getincrementaldecoder(self._encoding)("surrogatepass")
        self._first = self.head.removeprefix(mark)

    def read(self) -> bytes:
        """The next block in UTF-8; empty at the end."""
        first, self._first = self._first, b""
        block = first or self._next_block()
        if self._decoder is None:
            return block
        try:
            while True:
                text = self._decoder.decode(block, final=not block)
                if text or not block:
                    return text.encode(errors="surrogatepass")
                block = self._next_block()
        except UnicodeDecodeError as error:
            self.broken = self.broken or f"no {self._encoding}: {error.reason}"
            self._blocks, self._decoder = iter(()), None
            return b""

    def _next_block(self) -> bytes:
        try:
            return next((block for block in self._blocks if block), b"")
        except BreaksOff as error:
            self.broken, self._blocks = str(error), iter(())
            return b""


def _encoding_of(head: bytes) -> tuple[bytes, str]:
    """The byte order mark and the encoding. The encoding is empty for UTF-8."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return mark, encoding
    sample = head[:_SAMPLE_BYTES]
    if len(sample) > 1 and any(sample):
        if not any(sample[1::2]):
            return b"", "utf-16-le"
        if not any(sample[::2]):
            return b"", "utf-16-be"
    return (codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""), ""
