"""The examples of the documentation: `console` blocks with commands and their shown output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PAGES = (
    "README.md",
    "docs/operations.md",
    "docs/data-model.md",
    "docs/checks.md",
    "docs/security.md",
    "docs/protocol.md",
    "docs/local-engine.md",
    "docs/local-chain.md",
    "CONTRIBUTING.md",
    "docs/verification.md",
    "docs/backup.md",  # the last page: it ends with a rollback
)
"""In the order in which they are run."""

_BLOCK = re.compile(r"^( *)```console\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_IN_SENTENCE = re.compile(r"`(kontrib [a-z][^`]*)`")
_HERE_DOCUMENT = re.compile(r"<<'(\w+)'$")


@dataclass(slots=True)
class Example:
    """A command as a reader types it, and the lines that the page shows below it."""

    place: str
    command: str
    shown: list[str] = field(default_factory=list)


def commands_in_sentences(page: str) -> list[str]:
    """The commands that a page's sentences and tables name, in order and once each. Parts in square
    brackets are optional, and left out."""
    text = _FENCE.sub("", (ROOT / page).read_text())
    listed = (re.sub(r" \[[^]]*\]", "", found) for found in _IN_SENTENCE.findall(text))
    return list(dict.fromkeys(listed))


def examples(page: str) -> list[Example]:
    """The commands of a page, from top to bottom."""
    text = (ROOT / page).read_text()
    found: list[Example] = []
    for block in _BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start()) + 2
        indent = len(block[1])
        lines = [line[indent:] for line in block[2].splitlines()]
        found.extend(_examples_of(lines, page, first_line))
    return found


def _examples_of(lines: list[str], page: str, first_line: int) -> Iterator[Example]:
    current: Example | None = None
    open_until: str | None = None
    for number, line in enumerate(lines, first_line):
        if open_until is not None:
            assert current is not None
            current.command += "\n" + line
            if open_until and line != open_until:
                continue
            open_until = "" if line.endswith("\\") else None
        elif line.startswith("$ "):
            if current:
                yield current
            current = Example(f"{page}:{number}", line[2:])
            here = _HERE_DOCUMENT.search(line)
            open_until = here[1] if here else "" if line.endswith("\\") else None
        else:
            assert current is not None, f"{page}:{number}: output without a command"
            current.shown.append(line)
    if current:
        yield current


# Each form, and the mark that stands for it in a compared line. The order matters.
_FORMS = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: UTC|Z)?", "TIME"),
    (r"\b\d{4}-W\d\d\b", "WEEK"),
    (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\b[0-9a-f]{24}\b", "ID"),
    (r"\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])[1-9A-HJ-NP-Za-km-z]{31,88}\b", "BASE58"),
    (r"\b(?=\w*\d)[1-9A-HJ-NP-Za-km-z]{8,88}\.\.\.", "BASE58"),
    (r"\d[\d,]*(?:\.\d+)?", "N"),
    (r"[─━]{3,}", "LINE"),
    (r"\s+", " "),
)


def shape(line: str) -> str:
    """A line without the numbers, addresses, times and spaces that differ from run to run."""
    for form, mark in _FORMS:
        line = re.sub(form, mark, line)
    return line.strip()


def missing_line(shown: list[str], output: str) -> str | None:
    """The first shown line that the output does not hold in this order, by its shape.

    A shown `…` stands for any text, and a line of `…` alone for any lines.
    """
    lines = iter([shape(line) for line in output.splitlines()])
    for line in shown:
        parts = [re.escape(shape(part)) for part in line.split("…")]
        if any(parts) and not any(re.fullmatch(" ?.*".join(parts), each) for each in lines):
            return line
    return None
