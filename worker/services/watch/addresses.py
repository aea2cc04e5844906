"""The addresses that an operator funds, and what is on them."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import KontribError
from worker.core.money import sol_text, tokens_text
from worker.core.payout.chain import Treasury
from worker.core.report.explorer import CUSTOM, PUBLIC_CLUSTERS, address_url
from worker.services.context import Context
from worker.services.plan.funds import FundsReport
from worker.services.watch.doctor import coming_need


@dataclass(frozen=True, slots=True)
class Fund:
    """An address of ours. Amounts are in lamports or base units; None where not known."""

    name: str
    address: str
    explorer: str | None
    unit: str = ""
    """`lamports`, `base_units`, or empty for an address that holds nothing of ours."""
    available: int | None = None
    needed: int | None = None
    """For the coming week and all debts."""

    @property
    def sentence(self) -> str:
        """`0.5 SOL there, 0.8 SOL needed`."""
        if self.available is None:
            return ""
        text = f"{self._amount(self.available)} there"
        return text if self.needed is None else f"{text}, {self._amount(self.needed)} needed"

    def _amount(self, number: int) -> str:
        is_sol = self.unit == "lamports"
        return f"{sol_text(number)} SOL" if is_sol else f"{tokens_text(number)} KONTRIB"


def addresses_to_fund(context: Context, *, with_need: bool = True) -> list[Fund]:
    """Fee payer, source account and mint. Without an answer of the cluster, the mint alone.

    `with_need` asks the database, too.
    """
    try:
        genesis = context.chain.cluster_genesis()
        treasury = context.chain.treasury()
    except KontribError:
        return [Fund("mint", context.chain.mint, None)]
    cluster = PUBLIC_CLUSTERS.get(genesis, CUSTOM)
    report = _needed(context) if with_need else None
    return [*_funds(treasury, report, cluster), _mint(context.chain.mint, cluster)]


def _needed(context: Context) -> FundsReport | None:
    try:
        return coming_need(context)
    except KontribError:
        return None  # the doctor's own questions report the reason


def _funds(treasury: Treasury, report: FundsReport | None, cluster: str) -> list[Fund]:
    return [
        Fund(
            "fee payer",
            treasury.fee_payer,
            address_url(treasury.fee_payer, cluster),
            "lamports",
            treasury.lamports,
            report.needed.lamports if report else None,
        ),
        Fund(
            "source account",
            treasury.source_account,
            address_url(treasury.source_account, cluster),
            "base_units",
            treasury.tokens,
            report.needed.tokens if report else None,
        ),
    ]


def _mint(address: str, cluster: str) -> Fund:
    return Fund("mint", address, address_url(address, cluster))
