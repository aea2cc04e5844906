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
from worker.core.money import sol_text, tokens_text
from worker.core.payout.chain import Costs
from worker.core.report.prices import PriceMissing, Prices, read_prices
from worker.core.wording import counted
from worker.ports.report import PaidReward
from worker.services.report.year_cost import YearCost, year_cost


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
        self._session, self.number, self._user, self._prices = session, year, user, prices
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

    def cost(self, costs: Costs | None) -> YearCost | None:
        """The cost of the year's weeks. None for one user, whom no part of it belongs to."""
        if self._user is not None:
            return None
        return year_cost(self._session.store, self.number, costs)

    def sentence(self) -> str:
        value = f", worth {self.value:,f} {self._prices.currency}" if self._prices else ""
        return (
            f"{counted(self.count, 'reward')} in {self.number}, {tokens_text(self.total)} "
            f"KONTRIB{value}."
        )

    def document(self, cluster: str | None, costs: Costs | None) -> dict[str, Any]:
        rows, cost = list(self.lines(cluster)), self.cost(costs)
        return {
            "year": self.number,
            "user_id": self._user and canonical_user_id(self._user),
            "total_base_units": self.total,
            "currency": self._prices and self._prices.currency,
            "total_value": f"{self.value:f}" if self._prices else None,
            "cost": cost and _cost_document(cost),
            "rewards": rows,
        }

    def _paid(self) -> Iterator[PaidReward]:
        return self._session.stores.reports.paid_between(*self._between, self._user)


def _cost_document(found: YearCost) -> dict[str, Any]:
    """Lamports; a part is null if the chain did not answer."""
    cost = found.cost
    return {
        "weeks": found.weeks,
        "fees_lamports": cost.fees,
        "fees_unread": cost.unread,
        "receipts_rent_lamports": cost.receipts_rent,
        "token_accounts_rent_lamports": cost.accounts_rent,
        "token_accounts_unrecorded": cost.unrecorded,
        "total_lamports": cost.total,
    }


def _cost_sentence(year: int, found: YearCost) -> str:
    cost = found.cost
    parts = {
        "fees": cost.fees,
        "rent of receipts": cost.receipts_rent,
        "rent of token accounts": cost.accounts_rent,
    }
    listed = ", ".join(
        f"{name} {'not known' if lamports is None else sol_text(lamports) + ' SOL'}"
        for name, lamports in parts.items()
    )
    unread = counted(cost.unread, "transaction")
    rest = f", without {unread} not readable yet" if cost.unread else ""
    return f"Cost of the {counted(found.weeks, 'week')} that ended in {year}: {listed}{rest}."


def print_year(year: Year, cluster: str | None, costs: Costs | None, *, as_json: bool) -> None:
    """Print the payments as JSON or CSV."""
    year.check()
    if as_json:
        print_json(year.document(cluster, costs))
        return
    print_rewards(YEAR_COLUMNS, year.lines(cluster))
    say(year.sentence())
    if (cost := year.cost(costs)) is not None:
        say(_cost_sentence(year.number, cost))
