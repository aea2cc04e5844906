"""Renders the week's page and the simulation's plot from Jinja2 templates.

Every value is escaped. A misspelled name in a template is an error.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from worker.core.money import sol_text, tokens_text
from worker.core.report.explorer import transaction_url
from worker.core.report.text import change_text, ratio_text, share_text

SHOWN = 8
_AXIS_TOPS = (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)


def render(template: str, **values: object) -> str:
    """Fill in `week.html` or `simulation.svg`."""
    return _ENVIRONMENT.get_template(template).render(values)


def _short(signature: str) -> str:
    if len(signature) <= 2 * SHOWN:
        return signature
    return f"{signature[:SHOWN]}…{signature[-SHOWN:]}"


def _axis_top(lines: Sequence[Sequence[int | Fraction]]) -> Fraction:
    """The end of an axis for these values: a round number whose quarters are easy to read."""
    highest = max(max(line, default=0) for line in lines) or 1
    power = Fraction(1, 10)
    while power * 10 < highest:
        power *= 10
    while power >= highest:
        power /= 10
    return next(top for step in _AXIS_TOPS if (top := power * step / 10) >= highest)


def _axis_text(value: Fraction) -> str:
    return f"{float(value):,.10g}"


_TEMPLATES = Path(__file__).parent / "templates"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {
    "number": "{:,}".format,
    "tokens": tokens_text,
    "sol": sol_text,
    "ratio": ratio_text,
    "share": share_text,
    "change": change_text,
    "short": _short,
    "axis_top": _axis_top,
    "axis_text": _axis_text,
}
_SEARCH = (_TEMPLATES / "search.js").read_text()
_DIGEST = base64.b64encode(hashlib.sha256(_SEARCH.encode()).digest()).decode()
_ENVIRONMENT.globals |= {
    "transaction_url": transaction_url,
    "search_script": Markup(_SEARCH),  # noqa: S704 - our own file
    # The page runs the script with this hash, and no other.
    "search_hash": f"sha256-{_DIGEST}",
}
