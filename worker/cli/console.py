"""Output of every command: data on stdout, notices and progress on stderr, private files.

Text of the database reaches a terminal through here only. Characters in it that control a terminal
are shown as escapes.
"""

from __future__ import annotations

import csv
import dataclasses
import enum
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from config.visible_text import visible, visible_json, visible_line
from worker.cli.program import with_typed_hints
from worker.cli.safe_console import SafeConsole, SafeTable
from worker.core.errors import UsageError
from worker.core.week import Week

escaped = escape
"""Returns a text without markup: rich prints its brackets and reads no colours from them."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BLANKS = ("\t", "\r", "\n")
PIPED_WIDTH = 220
"""Wide enough that a file or a pipe gets every line uncut and every signature unfolded."""


class FileNotWritten(UsageError):
    """The file cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be written: {error.strerror or error}.")


def console(*, stderr: bool = False) -> Console:
    """A console that follows NO_COLOR and the width of the terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return SafeConsole(file=stream, width=width, highlight=False, emoji=False)


def say(text: str) -> None:
    """Print a notice for the person at the terminal."""
    console(stderr=True).print(text, markup=False, soft_wrap=True)


def emit(data: Any, *, as_json: bool, render: Callable[[Console], None] | None = None) -> None:
    """Print data as JSON for a machine, or rendered for a person.

    Without `render` a person reads what the command says on stderr.
    """
    if as_json:
        print_json(data)
    elif render is not None:
        render(console())


def json_text(data: Any, *, indent: int | None = None) -> str:
    """Data as JSON that is safe to show on a terminal."""
    return visible_json(json.dumps(data, default=plain, indent=indent, ensure_ascii=False))


def write_error(text: str) -> None:
    """Write text to stderr, where no console can be used."""
    sys.stderr.write(with_typed_hints(visible(text)))


def write_csv(lines: Iterable[Iterable[object]]) -> None:
    """Print lines of CSV. A stored text is no formula, and takes one line."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(map(_cell, line) for line in lines)


def _cell(value: object) -> object:
    """Keep a spreadsheet from reading a stored text as a formula."""
    if not isinstance(value, str):
        return value
    shown = visible_line(value)
    return f"'{shown}" if value.lstrip().startswith(_FORMULA) or value[:1] in _BLANKS else shown


def print_json(data: Any) -> None:
    sys.stdout.write(json_text(data, indent=2) + "\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a whole file or none. Only its owner can read it.

    Raises:
        FileNotWritten: the folder is missing, full or not writable.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FileNotWritten(path, error) from None


def plain(value: object) -> Any:
    """The JSON form of a value that the json module does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, Week):
            return value.label
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def moment_text(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table. A `>` before the name of a column aligns it to the right, for numbers.

    A cell is one line of stored text.
    """
    made = SafeTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        number = name.startswith(">")
        alignment: Any = "right" if number else "left"
        made.add_column(name.lstrip(">"), justify=alignment, no_wrap=number, overflow="fold")
    return made


def facts(rows: Mapping[str, object]) -> Table:
    """A table of names and values, one pair a line, without None and empty values."""
    made = SafeTable.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value not in (None, ""):
            is_count = isinstance(value, int) and not isinstance(value, bool)
            made.add_row(name, escaped(f"{value:,}" if is_count else str(value)))
    return made


class Advance(Protocol):
    """Moves a bar: the amount done, a text beside it, and the total."""

    def __call__(self, done: float, text: str, *, total: float | None = None) -> None: ...


@contextmanager
def progress_bar(title: str, total: float | None, *, unit: str = "") -> Iterator[Advance]:
    """Show a bar on stderr, if that is a terminal."""
    screen = console(stderr=True)
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    if unit == "bytes":
        columns.append(DownloadColumn())
    hidden = not screen.is_terminal
    columns.append(TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=hidden) as progress:
        task = progress.add_task(title, total=total)

        def advance(done: float, text: str, *, total: float | None = total) -> None:
            description = f"{title}: {escaped(text)}"
            progress.update(task, completed=done, total=total, description=description)

        yield advance


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show a spinner on stderr, if that is a terminal, during a longer step."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(text):
        yield
