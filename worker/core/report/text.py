"""Rounded numbers of a report as text. Amounts of tokens are never rounded."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

_ROUNDING = Context(prec=8)


def ratio_text(ratio: Fraction) -> str:
    """A ratio to eight significant digits."""
    quotient = _ROUNDING.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))
    text = f"{quotient:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_text(part: int | Fraction, whole: int) -> str:
    """`12.3 %`, cut after one decimal."""
    if not whole:
        return "–"
    tenths = int(part * 1000 // whole)
    return f"{tenths // 10}.{tenths % 10} %"


def change_text(now: int, before: int) -> str:
    """The change of a number since the week before: `+12.5 %`. Empty if it was zero."""
    if not before:
        return ""
    sign = "+" if now >= before else "−"
    return f"{sign}{share_text(abs(now - before), before)}"
