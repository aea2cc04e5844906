"""Line plots as one SVG file, written by hand: no library, no script, no font of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 960
PANEL_HEIGHT = 190
TOP, BOTTOM, LEFT, RIGHT, GAP = 76, 34, 76, 24, 44
COLOURS = ("#c3c8cf", "#0b6bcb")
GRID_LINES = 4
LABELS_MAX = 9
STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
WIDTHS = (3.2, 1.4)
"""The first line is the wider one, so that it shows where both are the same."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: its title, and one line of values for each name of the legend."""

    title: str
    lines: Sequence[Sequence[float]]


def line_plot(
    title: str, names: Sequence[str], labels: Sequence[str], panels: Sequence[Panel]
) -> str:
    """The panels below each other over the same horizontal axis, as SVG."""
    height = TOP + len(panels) * (PANEL_HEIGHT + GAP) - GAP + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="12" '
        'fill="#24292f">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 26, title, size=17, weight="600"),
        *_legend(names),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL_HEIGHT + GAP), labels)
    return "\n".join([*parts, "</svg>", ""])


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], LEFT
    for name, colour in zip(names, COLOURS, strict=False):
        parts.append(f'<rect x="{x}" y="40" width="18" height="4" fill="{colour}"/>')
        parts.append(_text(x + 24, 47, name))
        x += 48 + 7 * len(name)
    return parts


def _panel(panel: Panel, top: int, labels: Sequence[str]) -> list[str]:
    highest = _round_up(max((value for line in panel.lines for value in line), default=0.0))
    parts = [_text(LEFT, top - 8, panel.title, weight="600")]
    for step in range(GRID_LINES + 1):
        y = top + PANEL_HEIGHT * (1 - step / GRID_LINES)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e3e6ea"/>'
        )
        label = _number(highest * step / GRID_LINES)
        parts.append(_text(LEFT - 8, y + 4, label, anchor="end", colour="#57606a"))
    parts += _horizontal_labels(labels, top + PANEL_HEIGHT + 16)
    for line, colour, width in zip(panel.lines, COLOURS, WIDTHS, strict=False):
        points = " ".join(
            f"{_x(i, len(line)):.1f},{top + PANEL_HEIGHT * (1 - value / highest):.1f}"
            for i, value in enumerate(line)
        )
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-linejoin="round" points="{points}"/>'
        )
    return parts


def _horizontal_labels(labels: Sequence[str], y: float) -> list[str]:
    every = max(1, math.ceil(len(labels) / LABELS_MAX))
    return [
        _text(_x(i, len(labels)), y, labels[i], anchor="middle", colour="#57606a")
        for i in range(0, len(labels), every)
    ]


def _x(index: int, count: int) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * (index / (count - 1) if count > 1 else 0.5)


def _round_up(value: float) -> float:
    """The next number that reads well, and does so in quarters."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in STEPS if value <= power * step * (1 + 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    weight: str = "400",
    anchor: str = "start",
    colour: str = "#24292f",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
