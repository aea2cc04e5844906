"""Prices of KONTRIB by day, from an operator's file, for the accounts of a year."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from worker.core.errors import KontribError, UsageError
from worker.core.money import MalformedAmount, exact_decimal

COLUMNS = ["date", "price"]
_CURRENCY = re.compile(r"[A-Z]{3,5}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class MalformedPrices(UsageError):
    """The file of prices has a line that cannot be read."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(
            f"Line {line} of the prices cannot be read: {why}. The file is CSV with the columns "
            "date and price, such as 2026-03-02,0.0415, with one price a day."
        )


class MalformedCurrency(UsageError):
    """The currency is not a code."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a currency's code, such as EUR or USD.")


class PriceMissing(KontribError):
    """Payments were made on days without a price."""

    def __init__(self, days: list[date]) -> None:
        named = ", ".join(str(day) for day in days[:20])
        more = f" and {len(days) - 20} more" if len(days) > 20 else ""
        super().__init__(
            f"The prices lack {named}{more}: payments were made on these days (UTC). Add them and "
            "run the command again. No price is guessed."
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """The price of one KONTRIB on each day (UTC), in a currency."""

    currency: str
    by_day: Mapping[date, Decimal]

    def lacks(self, moments: Iterable[datetime]) -> list[date]:
        """The days of these moments that have no price, in order."""
        return sorted({moment.date() for moment in moments} - self.by_day.keys())

    def of(self, moment: datetime) -> Decimal:
        return self.by_day[moment.date()]


def read_prices(lines: Iterable[str], currency: str) -> Prices:
    """Read a file of prices. Its columns may be separated by comma, semicolon or tab.

    Raises:
        MalformedCurrency: the currency is not a code.
        MalformedPrices: a line is not a day and a price, or repeats a day.
    """
    if not _CURRENCY.fullmatch(currency):
        raise MalformedCurrency(currency)
    found: dict[date, Decimal] = {}
    header: list[str] | None = None
    for number, line in enumerate(lines, start=1):
        separator = next((each for each in ";\t" if each in line), ",")
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
        if not any(cells):
            continue
        if header is None:
            header = [cell.lstrip("\ufeff").lower() for cell in cells]
            if header != COLUMNS:
                raise MalformedPrices(number, "the columns are not date and price")
            continue
        if len(cells) != len(COLUMNS):
            raise MalformedPrices(number, f"it has {len(cells)} cells")
        day, price = _day(number, cells[0]), _price(number, cells[1])
        if found.setdefault(day, price) != price:
            raise MalformedPrices(number, f"{day} has two prices")
    if header is None:
        raise MalformedPrices(1, "the file is empty")
    return Prices(currency, found)


def value_of(base_units: int, price: Decimal) -> str:
    """The exact product of an amount and a price, which is never rounded."""
    value = Decimal(base_units).scaleb(-9) * price
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _day(line: int, text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise MalformedPrices(line, f"{text!r} is not a day, such as 2026-03-02")


def _price(line: int, text: str) -> Decimal:
    try:
        price = exact_decimal(text)
    except MalformedAmount:
        raise MalformedPrices(line, f"{text!r} is not a price with a decimal point") from None
    if price < 0 or len(price.as_tuple().digits) > 18:
        raise MalformedPrices(line, f"{text!r} is negative or has more than 18 digits")
    return price
