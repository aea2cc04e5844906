"""Reads the records of a file of contributions one at a time: JSON lines or CSV."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.core.errors import UsageError

LINE_BYTES_MAX = 1 << 20
"""A longer line is not a contribution.

Callers cut each line at this length, so that no file fills the memory.
"""
REQUIRED = ("user_id", "type", "created_at")


class NotAContributionFile(UsageError):
    """The file as a whole has another format."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"This is not a file of contributions ({why}). It must hold one JSON object a line, or "
            f"CSV with a header that names at least {', '.join(REQUIRED)}; gzip is fine for both."
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the file, or the reason why it cannot be read."""

    line: int
    values: Mapping[str, Any]
    problem: str | None = None


def read_records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Read JSON lines or CSV. The first line that is not blank decides the format.

    Raises:
        NotAContributionFile: it is neither.
    """
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        start = line.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith(b"{"):
            yield from _json_records(itertools.chain([(number, start)], numbered))
            return
        if start.startswith(b"["):
            raise NotAContributionFile("it holds one JSON array; `jq -c '.[]'` makes lines of it")
        if start:
            rest = (line for _, line in numbered)
            yield from _csv_records(itertools.chain([start], rest), number)
            return


def _json_records(lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
    for number, line in lines:
        if not line.strip():
            continue
        if len(line) > LINE_BYTES_MAX:
            yield Record(number, {}, f"longer than {LINE_BYTES_MAX} bytes")
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(number, {}, f"not JSON ({error})")
            continue
        if isinstance(values, dict):
            yield Record(number, values)
        else:
            yield Record(number, {}, "not a JSON object")


def _csv_records(lines: Iterable[bytes], number_of_first: int) -> Iterator[Record]:
    reader = csv.reader(line.decode(errors="surrogateescape") for line in lines)
    header = [name.strip() for name in next(reader)]
    if missing := [name for name in REQUIRED if name not in header]:
        raise NotAContributionFile(f"the first line is neither JSON nor a header with {missing[0]}")
    while True:
        number = number_of_first + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(number, {}, f"not CSV ({error})")
            continue
        if cells and len(cells) != len(header):
            yield Record(number, {}, f"{len(cells)} columns instead of {len(header)}")
        elif cells:
            yield _csv_record(number, dict(zip(header, cells, strict=True)))


def _csv_record(number: int, cells: Mapping[str, str]) -> Record:
    """A CSV row in the form of a JSON line.

    `metadata` is JSON, or columns like `metadata.words`.
    """
    values: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for name, cell in cells.items():
        if not cell:
            continue
        if name.startswith("metadata."):
            metadata[name.removeprefix("metadata.")] = int(cell) if _is_whole(cell) else cell
        else:
            values[name] = cell
    try:
        metadata |= json.loads(values.pop("metadata", "{}"))
    except (ValueError, TypeError, RecursionError):
        return Record(number, {}, "metadata is not a JSON object")
    return Record(number, values | {"metadata": metadata})


def _is_whole(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= 18
