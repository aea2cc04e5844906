"""Checks, before a week is anchored, that the treasury covers all open weeks together."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.errors import NotReady
from worker.core.money import BaseUnits, Lamports, sol_text, tokens_text
from worker.core.payout.chain import Costs, Treasury
from worker.core.plan.commitment import Header
from worker.core.week import Week
from worker.services.context import Context


@dataclass(frozen=True, slots=True)
class Need:
    """Tokens and SOL for one week, without the debts of earlier weeks."""

    tokens: BaseUnits
    lamports: Lamports


@dataclass(frozen=True, slots=True)
class FundsReport:
    """The treasury against the need of all open weeks together."""

    needed: Need
    treasury: Treasury

    @property
    def tokens_short(self) -> int:
        return max(0, self.needed.tokens - self.treasury.tokens)

    @property
    def allowance_short(self) -> int:
        allowance = self.treasury.allowance
        return 0 if allowance is None else max(0, self.needed.tokens - allowance)

    @property
    def lamports_short(self) -> int:
        return max(0, self.needed.lamports - self.treasury.lamports)

    @property
    def is_enough(self) -> bool:
        return not (self.tokens_short or self.allowance_short or self.lamports_short)


class FundsShort(NotReady):
    """Tokens, allowance or SOL do not cover the open weeks. Nothing was anchored."""

    def __init__(self, week: Week, report: FundsReport) -> None:
        short = []
        if report.tokens_short:
            short.append(f"{tokens_text(report.tokens_short)} KONTRIB in the source account")
        if report.allowance_short:
            short.append(f"{tokens_text(report.allowance_short)} KONTRIB of delegated allowance")
        if report.lamports_short:
            short.append(f"{sol_text(report.lamports_short)} SOL at the fee payer")
        super().__init__(
            f"{week.label} is not anchored: short of {' and of '.join(short)}, all open weeks "
            "summed. Send the funds; the sweeper then continues by itself."
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """Transactions and lamports that pay a plan, its one anchor included."""

    batches: int
    singles: int
    account_creations: int
    new_accounts: int
    receipts_rent: int
    accounts_rent: int
    fees: int
    priority_fees_max: int
    """The part of `fees` that is paid only if others pay it, too."""

    @property
    def transactions(self) -> int:
        return 1 + self.batches + self.singles + self.account_creations

    @property
    def lamports(self) -> Lamports:
        return Lamports(self.receipts_rent + self.accounts_rent + self.fees)


def estimate(costs: Costs, *, batches: int, held: int, new_accounts: int) -> Estimate:
    """The costs of a plan: its anchor, batches and accounts, and one payout per held reward."""
    creations = -(-new_accounts // costs.accounts_per_transaction)
    return Estimate(
        batches=batches,
        singles=held,
        account_creations=creations,
        new_accounts=new_accounts,
        receipts_rent=(2 + batches + held) * costs.receipt_rent,  # the anchor has two receipts
        accounts_rent=new_accounts * costs.token_account_rent,
        fees=(1 + batches + held + creations) * _transaction_fee(costs),
        priority_fees_max=(1 + batches + held + creations) * costs.priority_fee_max,
    )


def _transaction_fee(costs: Costs) -> int:
    return costs.fee_per_signature * costs.signatures + costs.priority_fee_max


def plan_need(costs: Costs, header: Header, new_accounts: int) -> Need:
    """The need of a plan with this header."""
    cost = estimate(costs, batches=header.batches, held=header.held, new_accounts=new_accounts)
    return Need(header.total_amount, cost.lamports)


def funds_report(context: Context, need: Need) -> FundsReport:
    """Compare the treasury with a week's need plus the debts of all anchored weeks."""
    owed, payouts = context.store.outstanding()
    costs = context.chain.costs()
    debt = payouts * (costs.receipt_rent + _transaction_fee(costs))
    needed = Need(BaseUnits(need.tokens + owed), Lamports(need.lamports + debt))
    return FundsReport(needed, context.chain.treasury())


def check_funds(context: Context, week: Week, need: Need) -> None:
    """
    Raises:
        FundsShort: with the exact shortfall.
    """
    report = funds_report(context, need)
    if not report.is_enough:
        raise FundsShort(week, report)
