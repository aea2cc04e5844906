"""Words and fragments that the parts of the report share. Whatever is a value is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from html import escape

from worker.core.money import tokens_text
from worker.core.report.explorer import transaction_url

RATIO_DIGITS = 8
_EXACTLY_ENOUGH = Context(prec=RATIO_DIGITS)
SHOWN = 8


def ratio_text(ratio: Fraction) -> str:
    """A ratio to a few digits, for readers: amounts never come from it."""
    quotient = _EXACTLY_ENOUGH.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))
    text = f"{quotient:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_text(part: int, whole: int) -> str:
    """`12.3 %`, cut after one decimal."""
    if not whole:
        return "–"
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10} %"


def multiplier_text(millionths: int) -> str:
    return f"×{tokens_text(millionths * 1000)}"


def change_text(now: int, before: int | None) -> str:
    """How a number moved since the week before: `+12.5 %`."""
    if not before:
        return ""
    sign = "+" if now >= before else "−"
    return f"{sign}{share_text(abs(now - before), before)}"


def signature_html(signature: str | None, cluster: str | None) -> str:
    """Linked to an explorer where the cluster is known; in full where it is not."""
    if not signature:
        return '<span class="dim">–</span>'
    url = transaction_url(signature, cluster)
    if url is None:
        return f"<code>{escape(signature)}</code>"
    short = (
        signature if len(signature) <= 2 * SHOWN else f"{signature[:SHOWN]}…{signature[-SHOWN:]}"
    )
    return (
        f'<a href="{escape(url)}" rel="noopener noreferrer" title="{escape(signature)}">'
        f"<code>{escape(short)}</code></a>"
    )


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; a column whose name begins with `>` holds numbers,
    one that begins with `@` users."""
    classes = [{">": "num", "@": "user"}.get(name[:1], "") for name in head]
    attributes = [f' class="{name}"' if name else "" for name in classes]
    heads = "".join(
        f"<th{a}>{escape(name.lstrip('>@'))}</th>" for a, name in zip(attributes, head, strict=True)
    )
    lines = "".join(
        "<tr>"
        + "".join(f"<td{a}>{cell}</td>" for a, cell in zip(attributes, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
    )


def section_html(title: str, lead: str, content: str) -> str:
    return (
        f'<section><h2>{escape(title)}</h2><p class="dim small">{escape(lead)}</p>{content}'
        "</section>"
    )
