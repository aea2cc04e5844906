"""KONTRIB in base units: integers of 10^-9 KONTRIB. No float ever touches money."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import NewType

from worker.core.errors import UsageError

BaseUnits = NewType("BaseUnits", int)
"""An amount in 10^-9 KONTRIB."""

Lamports = NewType("Lamports", int)
"""An amount in 10^-9 SOL."""

DECIMALS = 9
ONE_TOKEN = BaseUnits(10**DECIMALS)
INT64_MAX = 2**63 - 1
_FINEST = Decimal(1).scaleb(-DECIMALS)
_LARGEST = Decimal(INT64_MAX).scaleb(-DECIMALS)


class MalformedAmount(UsageError):
    """The value is not an exact, non-negative amount of tokens."""

    def __init__(self, value: object, why: str) -> None:
        self.value = value
        super().__init__(
            f"{value!r} is not an amount of KONTRIB ({why}). "
            f"Write a non-negative number with at most {DECIMALS} decimals."
        )


def exact_decimal(value: object) -> Decimal:
    """The decimal that a person reads: the float 1.2 becomes 1.2, not 1.1999999999999999556.

    Raises:
        MalformedAmount: not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise MalformedAmount(value, "not a number")
    if isinstance(value, str) and not (value.isascii() and "_" not in value):
        raise MalformedAmount(value, "not a number in the digits 0 to 9")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise MalformedAmount(value, "not a number") from None
    if not number.is_finite():
        raise MalformedAmount(value, "not finite")
    return number


def base_units(tokens: object) -> BaseUnits:
    """Tokens (int, float, str or Decimal) as base units, exactly.

    Raises:
        MalformedAmount: not a number, negative, finer than a base unit, or beyond 64 bits.
    """
    number = exact_decimal(tokens)
    # Check the range first. Within it, no number has more digits than decimal's default context,
    # which would round silently. Comparisons are always exact.
    if not 0 <= number <= _LARGEST:
        raise MalformedAmount(tokens, "negative or too large")
    rounded = number.quantize(_FINEST)
    if rounded != number:
        raise MalformedAmount(tokens, f"finer than 10^-{DECIMALS}")
    return BaseUnits(int(rounded.scaleb(DECIMALS)))


def rounded_down(tokens: object) -> BaseUnits:
    """The owner's number of tokens in base units. Sums of floats are finer than a base unit.

    Raises:
        MalformedAmount: not a number, negative, or beyond 64 bits.
    """
    number = exact_decimal(tokens)
    if not 0 <= number <= _LARGEST:
        return base_units(tokens)
    return base_units(number.quantize(_FINEST, ROUND_DOWN))


def is_amount_of(tokens: object, exact: int) -> bool:
    """Whether the owner's field of tokens says the same as the exact field of base units."""
    try:
        return tokens == tokens_float(exact) or rounded_down(tokens) == exact
    except MalformedAmount:
        return False


def tokens_text(amount: int) -> str:
    """Base units as a decimal of tokens with thousands separators: `10,000` or `222.5`."""
    return f"{Decimal(amount).scaleb(-DECIMALS):,f}".rstrip("0").rstrip(".")


def sol_text(lamports: int) -> str:
    """Lamports as a decimal of SOL: `0.89784`."""
    return tokens_text(lamports)


def tokens_float(amount: int) -> float:
    """Base units as a float of tokens, for readers. No code reads it back."""
    return float(Decimal(amount).scaleb(-DECIMALS))
