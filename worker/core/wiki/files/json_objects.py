"""JSON objects of a file: one a line, pretty-printed over many lines, or in an array.

The text is read in a window of a little more than a megabyte, so that an array of any length that
stands in one line takes no more memory than a file of lines.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any

from worker.core.wiki.files.record import RECORD_BYTES_MAX, Record
from worker.core.wiki.files.source import Source
from worker.core.wiki.files.strict_json import MalformedJson, StrictDecoder

_BLOCK_CHARACTERS = 1 << 16
_MATCH_CHARACTERS_MAX = 1000
_BLANKS = re.compile("[ \t\n\ufeff]*")
_BLANKS_OF_LINE = re.compile(r"[ \t]*")
_FIRST_KEY = re.compile(r'\s*\{\s*"([^"\\]*)"')
_CLOSING_LINE = re.compile(r"[ \t]*\}(?=[ \t]*[,\]]?[ \t]*(?:\n|\Z))")
_BEHIND_AN_OBJECT = ("", "\n", ",", "]", "[", "{")


def json_records(start: bytes, source: Source) -> Iterator[Record]:
    """Read every object. `start` is what was read of the source already."""
    window = _Window(start, source)
    reader = _Reader(window)
    yield from reader.records()
    if source.broken is not None:
        yield Record(window.line, {}, f"the file breaks off here ({source.broken})")
    elif reader.array_line:
        yield Record(window.line, {}, f"the array of line {reader.array_line} does not close")


class _Window:
    """The part of a text that is being read, from `at` on. Every line ends in a line feed."""

    def __init__(self, start: bytes, source: Source) -> None:
        self._source = source
        utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        self.text, self.at, self.line, self.indent = self._decoder.decode(start), 0, 1, 0
        self._ended = False

    @property
    def size(self) -> int:
        """Characters from `at` to the end of the window."""
        return len(self.text) - self.at

    def extend(self) -> bool:
        """Read on, and forget the text before `at`; False, and no change, at the end."""
        parts, size = [self.text[self.at :]], 0
        while size < _BLOCK_CHARACTERS and not self._ended:
            block = self._source.read()
            self._ended = not block
            parts.append(self._decoder.decode(block, final=self._ended))
            size += len(parts[-1])
        if size:
            self.text, self.at = "".join(parts), 0
        return size > 0

    def advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        newline = self.text.rfind("\n", self.at, to)
        self.at = to
        if newline >= 0:
            self.indent = _end(_BLANKS_OF_LINE, self.text, newline + 1) - newline - 1

    def skip_blanks(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            self.advance(_end(_BLANKS, self.text, self.at))
            if self.size or not self.extend():
                return self.text[self.at : self.at + 1]

    def skip_to(self, pattern: re.Pattern[str]) -> bool:
        """Go to the next match in this line. Whether there is one."""
        while True:
            newline = self.text.find("\n", self.at)
            end = newline if newline >= 0 else len(self.text)
            if (found := pattern.search(self.text, self.at, end)) is not None:
                self.advance(found.start())
                return True
            if newline >= 0:
                return False
            self.advance(max(self.at, end - _MATCH_CHARACTERS_MAX))
            if not self.extend():
                return False

    def skip_line(self) -> bool:
        """Go to the next line. Whether there is one."""
        while (newline := self.text.find("\n", self.at)) < 0:
            self.advance(len(self.text))
            if not self.extend():
                return False
        self.advance(newline + 1)
        return True


class _Reader:
    """`array_line` is where the array begins that is being read; 0 outside of arrays."""

    def __init__(self, window: _Window) -> None:
        self._window, self._decoder, self.array_line = window, StrictDecoder(), 0
        self._next_in_array: re.Pattern[str] | None = None
        """How an object of the array begins. Behind a broken one, it tells the next from others."""

    def records(self) -> Iterator[Record]:
        window = self._window
        is_array = window.skip_blanks() == "["
        while character := window.skip_blanks():
            if character == "[" and (is_array or self._opens_array()):
                is_array = False
                self.array_line = window.line
                self._next_in_array = _start_of_objects(window.text, window.at + 1)
            elif character == "]" and self.array_line:
                self.array_line = 0
            elif character != ",":
                yield self._read_record()
                continue
            window.advance(window.at + 1)

    def _opens_array(self) -> bool:
        """Whether an array of objects begins here, not a value that is one."""
        window = self._window
        while (behind := _end(_BLANKS, window.text, window.at + 1)) == len(window.text):
            if not window.extend():
                return True
        return self.array_line == 0 and window.text[behind] in "{]"

    def _read_record(self) -> Record:
        window, line = self._window, self._window.line
        try:
            value, end = self._decode()
        except MalformedJson as error:
            self._skip_broken(error)
            return Record(line, {}, str(error))
        window.advance(end)
        if isinstance(value, dict):
            return Record(line, value)
        return Record(line, {}, "not a JSON object")

    def _decode(self) -> tuple[Any, int]:
        """The value that begins here, and its end. Reads on until it is whole.

        Raises:
            MalformedJson: it is not, or is too long.
        """
        window = self._window
        while True:
            try:
                value, end = self._decoder.decode_at(window.text, window.at)
            except MalformedJson as error:
                if error.end is None and window.size <= RECORD_BYTES_MAX and window.extend():
                    continue
                if error.at - window.at > RECORD_BYTES_MAX:
                    raise _too_long(error.at) from None
                raise
            behind = _end(_BLANKS_OF_LINE, window.text, end)
            if behind == len(window.text) and window.extend():
                continue
            if end - window.at > RECORD_BYTES_MAX:
                raise _too_long(window.at, end)
            if window.text[behind : behind + 1] not in _BEHIND_AN_OBJECT:
                raise MalformedJson("not JSON (there is text behind the object)", behind)
            return value, end

    def _skip_broken(self, error: MalformedJson) -> None:
        """Go to where the next record may begin."""
        window = self._window
        if error.end is not None:
            window.advance(error.end)
            return
        line_end, indent = window.text.find("\n", window.at), window.indent
        is_one_line = error.at <= line_end or line_end < 0
        window.advance(window.at + 1)
        while True:
            if self._next_in_array is not None and window.skip_to(self._next_in_array):
                return
            if not window.skip_line() or is_one_line:
                return
            if window.indent > indent or window.text[window.at : window.at + 1] == "\n":
                continue
            if (closing := _CLOSING_LINE.match(window.text, window.at)) is not None:
                window.advance(closing.end())
            return


def _start_of_objects(text: str, start: int) -> re.Pattern[str]:
    """The first keys that tell a contribution from an object inside of one."""
    found = _FIRST_KEY.match(text, start)
    keys = {"_id", "user_id", found[1] if found is not None else "_id"}
    either = "|".join(map(re.escape, sorted(keys)))
    return re.compile(rf'\{{\s*"(?:{either})"\s*:')


def _too_long(at: int, end: int | None = None) -> MalformedJson:
    return MalformedJson(f"longer than {RECORD_BYTES_MAX} bytes", at, end)


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where a pattern ends that matches everything, the empty text too."""
    found = pattern.match(text, start)
    return start if found is None else found.end()
