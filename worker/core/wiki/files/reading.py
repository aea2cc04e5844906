"""Records of a file of contributions, one at a time: JSON objects or CSV.

Every line that is not blank is part of a record. A broken record is named by the line where it
begins, and reading goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.core.wiki.files.csv_rows import csv_records
from worker.core.wiki.files.json_objects import json_records
from worker.core.wiki.files.kinds import foreign_kind
from worker.core.wiki.files.record import RECORD_BYTES_MAX, NotAContributionFile, Record
from worker.core.wiki.files.source import Source


def read_records(blocks: Iterable[bytes]) -> Iterator[Record]:
    """Read JSON or CSV, told apart by the first character that is not blank.

    `blocks` are the file's bytes, cut anywhere. Their iterator raises `BreaksOff` where the file is
    damaged: the record that it interrupts is malformed, and everything before is read.

    Raises:
        NotAContributionFile: it is neither.
    """
    source = Source(blocks)
    if (kind := foreign_kind(source.head)) is not None:
        raise NotAContributionFile(f"it is {kind}")
    start = b""
    while not start.strip() and (block := source.read()):
        start += block
        if len(start) > RECORD_BYTES_MAX and not start.strip():
            raise NotAContributionFile("it begins with a megabyte of blanks")
    read = json_records if start.lstrip().startswith((b"{", b"[")) else csv_records
    yield from read(start, source)
