"""Rich's console and table, which show control characters of stored text as escapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from config.visible_text import visible, visible_line
from worker.cli.program import with_typed_hints

UNLIMITED_WIDTH = 10_000


class SafeConsole(Console):
    """Escapes text before its layout, so that tables stay aligned, and again where it leaves:
    a renderable may have made its own text."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(with_typed_hints(visible(text)), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print. A terminal gets lines that end between words; a file gets each line uncut."""
        if self.is_terminal:
            options["soft_wrap"] = False
        super().print(*objects, **options)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            segment if segment.control else segment._replace(text=visible(segment.text))
            for segment in buffer
        )


class SafeTable(Table):
    """A table whose cells are one line of stored text each.

    Where a row does not fit, without a break inside a word or number, each row becomes a block of
    lines: one for each name and value.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.show_header and self._width_needed(console, options) > options.max_width:
            yield from self._blocks()
        else:
            yield from super().__rich_console__(console, options)

    def _width_needed(self, console: Console, options: ConsoleOptions) -> int:
        """The width at which no word, and no cell of a column without breaks, is broken."""
        unlimited = options.update_width(UNLIMITED_WIDTH)
        measured = [(c, self._measure_column(console, unlimited, c)) for c in self.columns]
        widths = [found.maximum if column.no_wrap else found.minimum for column, found in measured]
        return sum(widths) + self._extra_width

    def _blocks(self) -> Iterable[RenderableType]:
        if self.title:
            yield self.title
        names = [str(column.header) for column in self.columns]
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            made = Table.grid(padding=(0, 2))
            made.add_column(style="dim", no_wrap=True)
            made.add_column(overflow="fold")
            for name, cell in zip(names, cells, strict=True):
                if cell != "":
                    made.add_row(name, cell)
            yield made
            yield ""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(visible_line(c) if isinstance(c, str) else c for c in cells), **options)
