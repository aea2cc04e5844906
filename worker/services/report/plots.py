"""Plots as inline SVG: integers for coordinates, colours from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from worker.core.money import tokens_text
from worker.core.report.spread import WHOLE, Bin, Spread

WIDTH = 360
"""About a phone's; a wider screen scales it up, so its text is readable on both."""
ROW = 22
BAR_LEFT = 116
BAR_MAX = 190
TREND_HEIGHT = 110
CURVE = 220
MARGIN = 34


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled number. `parts` are class names and their share of it, from left or bottom."""

    label: str
    value: int
    text: str
    parts: Sequence[tuple[str, int]] = ()


def rows_plot(bars: Sequence[Bar], title: str) -> str:
    """Horizontal bars, one a row."""
    highest = max((bar.value for bar in bars), default=0) or 1
    drawn = []
    for number, bar in enumerate(bars):
        top, length = number * ROW, bar.value * BAR_MAX // highest
        drawn.append(
            f'<text x="{BAR_LEFT - 8}" y="{top + 15}" class="label end">{escape(bar.label)}</text>'
            f'<rect x="{BAR_LEFT}" y="{top + 3}" width="{max(length, 1)}" height="16" rx="3" '
            f'class="bar"/><text x="{BAR_LEFT + length + 6}" y="{top + 15}" class="value">'
            f"{escape(bar.text)}</text>"
        )
    return _svg(len(bars) * ROW, title, "".join(drawn))


def histogram(bins: Sequence[Bin]) -> str:
    """How many rewards there are of each size."""
    bars = [
        Bar(f"{tokens_text(b.low)} – {tokens_text(b.high)}", b.count, f"{b.count:,}") for b in bins
    ]
    return rows_plot(bars, "How many contributors received how much, in KONTRIB")


def lorenz_curve(spread: Spread) -> str:
    """The share of everything that the lowest part of the contributors has together."""
    left, side, steps = 70, CURVE, len(spread.lorenz) - 1
    points = [
        (left + side * i // steps, 8 + side - share * side // WHOLE)
        for i, share in enumerate(spread.lorenz)
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    bottom, right = 8 + side, left + side
    drawn = "".join(
        f'<line x1="{left}" x2="{right}" y1="{8 + side * i // 4}" y2="{8 + side * i // 4}" '
        f'class="grid"/><text x="{left - 8}" y="{12 + side * i // 4}" class="label end">'
        f'{100 - 25 * i} %</text><text x="{left + side * i // 4}" y="{bottom + 18}" '
        f'class="label middle">{25 * i} %</text>'
        for i in range(5)
    )
    drawn += (
        f'<polygon points="{left},{bottom} {line} {right},{bottom}" class="area"/>'
        f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="8" class="even"/>'
        f'<polyline points="{line}" class="line"/>'
        f'<text x="{left + side // 2}" y="{bottom + 36}" class="label middle">'
        "of contributors, lowest rewards first</text>"
    )
    return _svg(bottom + 44, "Share of all KONTRIB by share of contributors", drawn)


def columns_plot(bars: Sequence[Bar], title: str) -> str:
    """Columns side by side, the last one marked; its number and the highest one are written."""
    highest = max((bar.value for bar in bars), default=0) or 1
    slot = (WIDTH - 10) // max(len(bars), 6)
    drawn = [
        f'<line x1="0" x2="{WIDTH}" y1="{20 + TREND_HEIGHT}" y2="{20 + TREND_HEIGHT}" '
        'class="axis"/>'
    ]
    for number, bar in enumerate(bars):
        left, is_last = 5 + number * slot, number == len(bars) - 1
        middle = left + slot // 2
        drawn.append(_column(bar, left, slot - 6, highest, is_last=is_last))
        if is_last or len(bars) <= 6 or (len(bars) - 1 - number) % 2 == 0:
            drawn.append(
                f'<text x="{middle}" y="{TREND_HEIGHT + 36}" class="label middle">'
                f"{escape(bar.label)}</text>"
            )
    return _svg(TREND_HEIGHT + 42, title, "".join(drawn))


def _column(bar: Bar, left: int, width: int, highest: int, *, is_last: bool) -> str:
    bottom, drawn = 20 + TREND_HEIGHT, []
    parts = bar.parts or (("bar" if is_last else "bar past", bar.value),)
    for name, value in parts:
        height = value * TREND_HEIGHT // highest
        if value:
            height = max(height, 1)
        bottom -= height
        drawn.append(
            f'<rect x="{left + 3}" y="{bottom}" width="{width}" height="{height}" '
            f'class="{escape(name)}"/>'
        )
    title = f"<title>{escape(bar.label)}: {escape(bar.text)}</title>"
    return f"<g>{title}{''.join(drawn)}</g>"


def _svg(height: int, title: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {max(height, 1)}" role="img" aria-label="{escape(title)}">'
        f"{content}</svg>"
    )
