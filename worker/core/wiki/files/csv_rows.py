"""Rows of a CSV file: with commas, semicolons, tabs or bars, and with any line ends.

A quote that never closes would take the rest of the file into one cell. Such a row is malformed,
and the line behind its first is read as a row of its own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.core.wiki.files.extended_json import NotExtendedJson, moment_of
from worker.core.wiki.files.record import (
    RECORD_BYTES_MAX,
    REQUIRED,
    NotAContributionFile,
    Record,
)
from worker.core.wiki.files.source import Source
from worker.core.wiki.files.strict_json import MalformedJson, read_json

# The reader's own limit is 128 KiB a cell; ours holds for a whole record.
csv.field_size_limit(RECORD_BYTES_MAX + 1)
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_METADATA = "metadata."


def csv_records(start: bytes, source: Source) -> Iterator[Record]:
    """Read every row. `start` is what was read of the source already.

    Raises:
        NotAContributionFile: there is no header that names what a contribution needs.
    """
    lines = _Lines(start, source)
    if (header := _read_header(lines)) is None:
        return
    rows = _Rows(lines, *header)
    yield from rows.records()
    if source.broken is not None:
        yield Record(lines.number + 1, {}, f"the file breaks off here ({source.broken})")


class _Lines:
    """Lines with their numbers and ends. The last line of a file that breaks off is left out."""

    def __init__(self, start: bytes, source: Source) -> None:
        self._split = _split_lines(start, source)
        self._again: list[str] = []
        self.number = 0

    def next(self) -> str | None:
        """The next line, cut just above the limit of a record; None at the end."""
        line = self._again.pop() if self._again else next(self._split, None)
        self.number += line is not None
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        """These lines, in their order, come next again."""
        self._again += reversed(lines)
        self.number -= len(lines)


def _split_lines(start: bytes, source: Source) -> Iterator[str]:
    """Split at LF, CRLF and CR, as no method of `str` does."""
    rest, block = b"", start
    while block:
        lines = (rest + block).splitlines(keepends=True)
        # A CR at the end of a block may be half of a CRLF.
        rest = lines.pop() if not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield _decoded(line)
        if len(rest) > RECORD_BYTES_MAX:
            rest = rest[: RECORD_BYTES_MAX + 1]
        block = source.read()
    if rest and source.broken is None:
        yield _decoded(rest)


def _decoded(line: bytes) -> str:
    return line[: RECORD_BYTES_MAX + 1].decode(errors="surrogateescape")


def _read_header(lines: _Lines) -> tuple[list[str], str] | None:
    """The names of the columns, and what separates them; None in an empty file."""
    line, separators = _next_filled(lines), _DELIMITERS
    if line is not None and (given := _SEPARATOR_LINE.fullmatch(line.strip("\r\n"))):
        line, separators = _next_filled(lines), given[1]
    if line is None:
        return None
    found = [(_names(line, separator), separator) for separator in separators]
    header, separator = max(found, key=lambda each: len(set(REQUIRED) & set(each[0])))
    if missing := [name for name in REQUIRED if name not in header]:
        raise NotAContributionFile(f"it is no JSON, and its header has no {missing[0]}")
    for name in header:
        if name and header.count(name) > 1:
            raise NotAContributionFile(f"the column {name!a} stands twice in its header")
    return header, separator


def _next_filled(lines: _Lines) -> str | None:
    while (line := lines.next()) is not None and not line.strip():
        pass
    return line


def _names(line: str, separator: str) -> list[str]:
    return [name.strip() for name in _cells(line, separator)]


def _cells(line: str, separator: str) -> list[str]:
    """The cells of one line alone."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


class _OpenQuote(Exception):
    """A quote takes in what does not belong to its cell."""


class _Rows:
    """Reads rows, and is the iterator of lines that the reader of CSV asks for more."""

    def __init__(self, lines: _Lines, header: Sequence[str], separator: str) -> None:
        self._lines, self._header, self._separator = lines, header, separator
        self._places = [header.index(name) for name in REQUIRED]
        self._taken: list[str] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if (line := self._lines.next()) is None:
            raise StopIteration
        self._size += len(line)
        if self._size > RECORD_BYTES_MAX or (self._taken and self._looks_like_a_row(line)):
            self._taken.append(line)
            raise _OpenQuote
        self._taken.append(line)
        return line

    def records(self) -> Iterator[Record]:
        reader = csv.reader(self, delimiter=self._separator, strict=True)
        while True:
            self._taken, self._size, number = [], 0, self._lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _OpenQuote) as error:
                self._lines.put_back(self._taken[1:])
                yield Record(number, {}, self._problem(error))
                continue
            if any(cell.strip() for cell in cells):
                yield self._record(number, cells)

    def _problem(self, error: Exception) -> str:
        if len(self._taken[0]) > RECORD_BYTES_MAX:
            return f"longer than {RECORD_BYTES_MAX} bytes"
        if len(self._taken) == 1 and "expected after" in str(error):
            return "a quote in this line closes before its cell ends"
        return "a quote that opens in this line does not close"

    def _looks_like_a_row(self, line: str) -> bool:
        """Whether a line inside of a quote is a contribution of its own."""
        cells = _cells(line, self._separator)
        if len(cells) <= max(self._places):
            return False
        user, kind, moment = (cells[place].strip() for place in self._places)
        try:
            moment_of(moment)
        except NotExtendedJson:
            return False
        return bool(user and kind) and not re.search(r"\s", kind)

    def _record(self, number: int, cells: Sequence[str]) -> Record:
        if len(cells) != len(self._header):
            return Record(number, {}, f"{len(cells)} columns instead of {len(self._header)}")
        try:
            return Record(number, _values(dict(zip(self._header, cells, strict=True))))
        except MalformedJson as error:
            return Record(number, {}, str(error))


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    """A row as a JSON object would have it. `metadata` is JSON, or columns like `metadata.words`.

    Raises:
        MalformedJson: the metadata cannot be read.
    """
    given = {name: cell for name, cell in cells.items() if cell}
    metadata = {
        name.removeprefix(_METADATA): int(cell) if _WHOLE_NUMBER.fullmatch(cell) else cell
        for name, cell in given.items()
        if name.startswith(_METADATA)
    }
    try:
        whole = read_json(given.get("metadata", "{}"))
    except MalformedJson:
        whole = None
    if not isinstance(whole, dict):
        raise MalformedJson("metadata is not a JSON object", 0)
    if twice := sorted(whole.keys() & metadata.keys()):
        raise MalformedJson(f"metadata has {twice[0]!a} twice", 0)
    values = {name: cell for name, cell in given.items() if not name.startswith(_METADATA)}
    return values | {"metadata": metadata | whole}
