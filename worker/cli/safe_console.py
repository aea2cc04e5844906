"""Rich's console and table, which show control characters of stored text as escapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from config.visible_text import visible, visible_line


class SafeConsole(Console):
    """Escapes text before its layout, so that tables stay aligned, and again where it leaves:
    a renderable may have made its own text."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            segment if segment.control else segment._replace(text=visible(segment.text))
            for segment in buffer
        )


class SafeTable(Table):
    """A table whose cells are one line of stored text each."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(visible_line(c) if isinstance(c, str) else c for c in cells), **options)
