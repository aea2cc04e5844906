"""Checks that the treasury covers all open weeks: before an anchor, and before each signing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Tokens, allowance or SOL do not cover the open weeks. `what` waits for them."""

    def __init__(self, what: str, report: FundsReport) -> None:
        treasury, short = report.treasury, []
        source = f"the source account {treasury.source_account}"
        if report.tokens_short:
            short.append(f"{tokens_text(report.tokens_short)} KONTRIB in {source}")
        if report.allowance_short:
            allowance = tokens_text(report.allowance_short)
            short.append(f"{allowance} KONTRIB of delegated allowance of {source}")
        if lamports := report.lamports_short:
            sol = f"{sol_text(lamports)} SOL ({lamports:,} lamports)"
            short.append(f"{sol} at the fee payer {treasury.fee_payer}")
        super().__init__(
            f"{what}: short of {' and of '.join(short) or 'funds'}, all open weeks summed. "
            "Send the funds; the sweeper then continues by itself."
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


def payout_cost(costs: Costs) -> int:
    """Lamports of one batch or single."""
    return costs.receipt_rent + _transaction_fee(costs)


def payer_reserve(costs: Costs) -> int:
    """Lamports that stay with the fee payer: the cluster lands nothing that leaves an account below
    its rent minimum. A receipt's rent is a little more than the minimum of an empty account."""
    return costs.receipt_rent


def check_account_funds(context: Context, accounts: int) -> Treasury:
    """Returns the funds before the accounts are created.

    Raises:
        FundsShort: the fee payer cannot create this many token accounts.
    """
    costs = context.chain.costs()
    transactions = -(-accounts // costs.accounts_per_transaction)
    cost = accounts * costs.token_account_rent + transactions * _transaction_fee(costs)
    treasury = context.chain.treasury()
    if treasury.lamports < cost + payer_reserve(costs):
        report = funds_report(context, Need(BaseUnits(0), Lamports(cost)))
        raise FundsShort("Token accounts are not created", replace(report, treasury=treasury))
    return treasury


def first_within_funds(treasury: Treasury, costs: Costs, amounts: Sequence[int]) -> int:
    """How many of these payments, in order, the treasury can pay now. Amounts in base units."""
    limits = [limit for limit in (treasury.tokens, treasury.allowance) if limit is not None]
    tokens, lamports = min(limits), treasury.lamports - payer_reserve(costs)
    for count, amount in enumerate(amounts):
        tokens, lamports = BaseUnits(tokens - amount), lamports - payout_cost(costs)
        if tokens < 0 or lamports < 0:
            return count
    return len(amounts)


def funds_report(context: Context, need: Need) -> FundsReport:
    """Compare the treasury with a week's need plus the debts of all anchored weeks."""
    owed, payouts = context.store.outstanding()
    costs = context.chain.costs()
    debt = payouts * payout_cost(costs) + payer_reserve(costs)
    needed = Need(BaseUnits(need.tokens + owed), Lamports(need.lamports + debt))
    return FundsReport(needed, context.chain.treasury())


def check_funds(context: Context, week: Week, need: Need) -> None:
    """
    Raises:
        FundsShort: with the exact shortfall.
    """
    report = funds_report(context, need)
    if not report.is_enough:
        raise FundsShort(f"{week.label} is not anchored", report)
