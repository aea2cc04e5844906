"""Malformed input, made from well-formed input by a generator with a seed: every run has the same.

The tests that use it try more than 10,000 lines, files, arguments and documents.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from tests.cli.conftest import Command

SECONDS_MAX = 30
"""Far above what any of these inputs needs, even on a busy machine."""

JUNK = (
    *('"', "{", "}", "[", "]", ",", ":", ";", "\n", "\r", "\r\n", "\t", "\0", "\\", " ", "'"),
    *(
        "null",
        "NaN",
        "1e999",
        "-0",
        "\ufeff",
        "\ud800".encode(errors="surrogatepass").decode("cp437"),
    ),
    *('{"$date":', '"$oid"', '"_id":1,', "\\ud800", "\\u0000", "é", "\u202e", "\x1b[2J", "=1+1"),
    *("9" * 5000, "[" * 3000, '{"a":' * 3000, '"' * 99, "," * 99, "\n" * 99),
)
NUMBERS = (0, -1, 2**31, 2**63, -(2**63), 10**400, 0.1, 1e308, -0.0, math.nan, math.inf, True)
TEXTS = (
    *("", " ", "0", "-1", "1_0", "1,5", "1e5", "1e999", "NaN", "Infinity", "0x10", "٣", "½", "ⅷ"),
    *("null", "x" * 2000, "\x1b[31m", "\u202eabc", "a\0b", "e\u0301", "a\nb", "--help", "-", "{}"),
    *(
        "2024-12-11",
        "2024-12-11T10:00:00+99:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01",
        "275760-09-13",
    ),
    *("507f1f77bcf86cd799439011", "ObjectId(507f1f77bcf86cd799439011)", "$ne", "[1]", '{"a": 1}'),
    *(
        "[" * 5000,
        '{"a":' * 500 + "1" + "}" * 500,
        '{"a": 1, "a": 2}',
        "9" * 5000,
        "%s%n",
        "../..",
        "[red]",
    ),
)
PACKERS: Sequence[Callable[[bytes], bytes]] = (gzip.compress, bz2.compress, lzma.compress)


class Damage:
    """One sequence of malformed input."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def bytes(self, content: bytes) -> bytes:
        """The content with one to four damages."""
        chance, damaged = self.random, bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(damaged) + 1)
            end = min(len(damaged), at + chance.randint(1, 60))
            match chance.randrange(7):
                case 0 if at < len(damaged):
                    damaged[at] = chance.randrange(256)
                case 1:
                    del damaged[at:end]
                case 2:
                    damaged[at:at] = damaged[at:end]
                case 3:
                    damaged[at:at] = chance.randbytes(3)
                case 4 if chance.random() < 0.2:
                    del damaged[at:]
                case _:
                    damaged[at:at] = chance.choice(JUNK).encode(errors="surrogatepass")
        return bytes(damaged)

    def text(self) -> str:
        """An argument of a command."""
        chance = self.random
        if chance.random() < 0.1:
            # Bytes that are not UTF-8, as the shell hands them over.
            return chance.randbytes(5).replace(b"\0", b"").decode(errors="surrogateescape")
        return chance.choice(TEXTS)

    def json_value(self, depth: int = 3) -> Any:
        """A value that JSON can have, likely or not."""
        chance = self.random
        kind = chance.randrange(6 if depth else 4)
        if kind < 2:
            return chance.choice(TEXTS)
        if kind == 2:
            return chance.choice(NUMBERS)
        if kind == 3:
            return chance.choice([None, True, False, [], {}])
        if kind == 4:
            return [self.json_value(depth - 1) for _ in range(chance.randint(1, 3))]
        names = ["a", "$oid", "$date", "$numberLong", "$numberDouble", "$numberDecimal", "$binary"]
        names += [
            "$numberInt",
            "$timestamp",
            "$regularExpression",
            "$uuid",
            "$code",
            "$x",
            "a.b",
            "",
        ]
        return {
            chance.choice(names): self.json_value(depth - 1) for _ in range(chance.randint(1, 2))
        }

    def bson_value(self) -> Any:
        """A value that a document can have, likely or not."""
        value = self.random.choice(
            [
                *(None, True, False, 0, 1, -1, 1.0, 0.5, -2.5, math.nan, math.inf, 1e308),
                *(Int64(2**62), Int64(-(2**63)), Decimal128("1.5"), Decimal128("NaN")),
                *(
                    Decimal128("1E+6144"),
                    Decimal128("-0"),
                    Binary(b"\0\xff"),
                    Regex("a"),
                    Code("a"),
                ),
                *(Timestamp(1, 1), MinKey(), MaxKey(), ObjectId(), datetime(1, 1, 1, tzinfo=UTC)),
                *(
                    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
                    datetime(2024, 12, 11, tzinfo=UTC),
                ),
                *([], [1], ["a", None], [[]], {}, {"a": 1}, {"$oid": "x"}, {"a": [{"b": None}]}),
            ]
        )
        return self.random.choice(TEXTS) if self.random.random() < 0.3 else value

    def document(self, whole: dict[str, Any]) -> dict[str, Any]:
        """The document with fields that are missing, odd, or added."""
        damaged = dict(whole)
        for name in self.random.choices(sorted(damaged), k=self.random.randint(1, 3)):
            if self.random.random() < 0.2:
                damaged.pop(name, None)
            else:
                damaged[name] = self.bson_value()
        return damaged


def records_in_a_layout(documents: Sequence[dict[str, Any]], layout: str) -> list[bytes]:
    """Each document as it stands in a file."""
    match layout:
        case "lines" | "array":
            return [json.dumps(each).encode() for each in documents]
        case "pretty":
            return [json.dumps(each, indent=2).encode() for each in documents]
        case "pretty array":
            return [json.dumps([each], indent=1).encode()[2:-2] for each in documents]
    return [_row(each.values(), layout) for each in documents]


def contributions_in_a_layout(documents: Sequence[dict[str, Any]], layout: str) -> bytes:
    """A file as an export writes it."""
    records = records_in_a_layout(documents, layout)
    match layout:
        case "lines" | "pretty":
            return b"\n".join(records)
        case "array":
            return b"[" + b", ".join(records) + b"]"
        case "pretty array":
            return b"[\n" + b",\n".join(records) + b"\n]"
    return _row(documents[0], layout) + b"".join(records)


def _row(cells: Iterable[Any], layout: str) -> bytes:
    written = io.StringIO()
    delimiter = {"csv": ",", "semicolons": ";", "tabs": "\t"}[layout]
    plain = [json.dumps(cell) if isinstance(cell, dict) else cell for cell in cells]
    csv.writer(written, delimiter=delimiter).writerow(plain)
    return written.getvalue().encode()


LAYOUTS = ("lines", "array", "pretty", "pretty array", "csv", "semicolons", "tabs")


def survive(kontrib: Command, *arguments: str) -> int:
    """Run a command: it ends in time, with an exit code that means something, and no bug."""
    # As every Python process has it, and the capture of pytest does not.
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    started = time.monotonic()
    code = kontrib(*arguments)
    assert time.monotonic() - started < SECONDS_MAX, arguments
    assert "bug" not in kontrib.err, (arguments, kontrib.err)
    assert "Traceback" not in kontrib.err, (arguments, kontrib.err)
    assert code in (0, 1, 2, 3), (arguments, code)
    return code
