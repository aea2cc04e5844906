"""A year's payments for accountants: of one user or of everybody, with prices if given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from worker.cli.console import print_json, say
from worker.cli.input_file import FileUnusable
from worker.cli.report.reward_lines import YEAR_COLUMNS, paid_line, print_rewards
from worker.cli.session import Session
from worker.core.identity import canonical_user_id
from worker.core.money import tokens_text
from worker.core.report.prices import PriceMissing, Prices, read_prices
from worker.core.wording import counted
from worker.ports.report import PaidReward


def prices_from(file: Path, currency: str) -> Prices:
    """
    Raises:
        FileUnusable: the file cannot be opened, or is not text.
        MalformedCurrency, MalformedPrices: a wrong code or line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline=None) as lines:
            return read_prices(lines, currency)
    except OSError as error:
        raise FileUnusable(str(file), error.strerror or type(error).__name__) from None
    except UnicodeDecodeError:
        raise FileUnusable(str(file), "it is not UTF-8 text; export it as CSV") from None


class Year:
    """The payments recorded in a year (UTC)."""

    def __init__(
        self, session: Session, year: int, user: str | None, prices: Prices | None
    ) -> None:
        self._session, self._year, self._user, self._prices = session, year, user, prices
        self._between = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        self.count = self.total = 0
        self.value = Decimal(0)

    def check(self) -> None:
        """
        Raises:
            UnknownUser: there is no such user.
            PriceMissing: a payment was made on a day without a price.
        """
        if self._user is not None and next(self._paid(), None) is None:
            self._session.wiki.account(self._user)
        if self._prices is not None:
            missing = self._prices.lacks(paid.paid_at for paid in self._paid())
            if missing:
                raise PriceMissing(missing)

    def lines(self, cluster: str | None) -> Iterator[dict[str, object]]:
        """A line for each payment, oldest first. The sums are complete after the last one."""
        for paid in self._paid():
            line = paid_line(paid, cluster, self._prices)
            self.count += 1
            self.total += paid.reward.row.amount
            self.value += Decimal(str(line["value"] or 0))
            yield line

    def sentence(self) -> str:
        value = f", worth {self.value:,f} {self._prices.currency}" if self._prices else ""
        return (
            f"{counted(self.count, 'reward')} in {self._year}, {tokens_text(self.total)} "
            f"KONTRIB{value}."
        )

    def document(self, cluster: str | None) -> dict[str, Any]:
        rows = list(self.lines(cluster))
        return {
            "year": self._year,
            "user_id": self._user and canonical_user_id(self._user),
            "total_base_units": self.total,
            "currency": self._prices and self._prices.currency,
            "total_value": f"{self.value:f}" if self._prices else None,
            "rewards": rows,
        }

    def _paid(self) -> Iterator[PaidReward]:
        return self._session.stores.reports.paid_between(*self._between, self._user)


def print_year(year: Year, cluster: str | None, *, as_json: bool) -> None:
    """Print the payments as JSON or CSV."""
    year.check()
    if as_json:
        print_json(year.document(cluster))
        return
    print_rewards(YEAR_COLUMNS, year.lines(cluster))
    say(year.sentence())
