"""Where output goes: data to stdout, notices and progress to stderr.

Text of the database reaches a terminal through here only. Characters in it that control a terminal
are shown as escapes.
"""

from __future__ import annotations

import csv
import dataclasses
import enum
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from config.visible_text import visible, visible_json, visible_line
from worker.core.week import Week

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BLANKS = ("\t", "\r", "\n")
PIPED_WIDTH = 220
"""Without a terminal, no line is cut and no signature is folded."""


def console(*, stderr: bool = False) -> Console:
    """A console that follows NO_COLOR and the width of the terminal."""
    from worker.cli.safe_console import SafeConsole

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return SafeConsole(file=stream, width=width, highlight=False, emoji=False)


def say(text: str) -> None:
    """A notice for the person at the terminal."""
    console(stderr=True).print(text, markup=False, soft_wrap=True)


def emit(data: Any, *, as_json: bool, render: Callable[[Console], None]) -> None:
    """Print data, for a machine or for a person."""
    if as_json:
        sys.stdout.write(json_text(data, indent=2) + "\n")
    else:
        render(console())


def json_text(data: Any, *, indent: int | None = None) -> str:
    """Data as JSON that is safe to show on a terminal."""
    return visible_json(json.dumps(data, default=plain, indent=indent, ensure_ascii=False))


def write_error(text: str) -> None:
    """Write text to stderr, where no console can be used."""
    sys.stderr.write(visible(text))


def write_csv(lines: Iterable[Iterable[object]]) -> None:
    """Print lines of CSV. A stored text is no formula, and takes one line."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(map(_cell, line) for line in lines)


def _cell(value: object) -> object:
    """Keep a spreadsheet from reading a stored text as a formula."""
    if not isinstance(value, str):
        return value
    shown = visible_line(value)
    return f"'{shown}" if value.lstrip().startswith(_FORMULA) or value[:1] in _BLANKS else shown


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
    """A table. The name of a column with numbers begins with `>`. A cell is one line of text."""
    from rich import box

    from worker.cli.safe_console import SafeTable

    made = SafeTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        number = name.startswith(">")
        alignment: Any = "right" if number else "left"
        made.add_column(name.lstrip(">"), justify=alignment, no_wrap=number, overflow="fold")
    return made


def facts(rows: Mapping[str, object]) -> Table:
    """Names and values, one a line. None and empty values are left out."""
    from worker.cli.safe_console import SafeTable

    made = SafeTable.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value not in (None, ""):
            made.add_row(name, escaped(str(value)))
    return made


class Advance(Protocol):
    """Moves a bar: the amount done, a text beside it, and the total."""

    def __call__(self, done: float, text: str, *, total: float | None = None) -> None: ...


@contextmanager
def progress_bar(title: str, total: float | None, *, unit: str = "") -> Iterator[Advance]:
    """A bar on stderr, drawn on a terminal only."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

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
    """A spinner on stderr during a longer step."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(text):
        yield


def escaped(text: str) -> str:
    """Text without markup: brackets in it are no colours."""
    from rich.markup import escape

    return escape(text)
