"""The report of a demo: the reconciled week, its cost, and links for a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from deploy.local.cli.stack import flower_address, flower_login
from deploy.local.stack import LocalStack
from worker.cli.console import escaped, facts, table
from worker.cli.session import Session
from worker.core.lifecycle import Status
from worker.core.money import sol_text, tokens_text
from worker.core.payout.chain import Treasury
from worker.core.payout.records import Reward
from worker.core.plan.commitment import Header
from worker.core.plan.totals import point_to_token_ratio
from worker.core.wording import counted
from worker.services.payout.reconcile import Reconciliation
from worker.services.plan.planned_week import plan_of

if TYPE_CHECKING:
    from rich.console import Console

TOP_REWARDS = 10
SHORT = 16


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The sums of the week in plan, database and chain."""

    header: Header
    ratio: Fraction
    reconciliation: Reconciliation
    rewards: Sequence[Reward]
    """Every reward, largest first."""
    anchor: str | None
    spent_lamports: int
    spent_tokens: int
    receipts: int
    receipts_rent: int
    accounts: int
    accounts_rent: int
    flower: str
    published: str

    @property
    def is_exact(self) -> bool:
        """True if plan, database and chain agree and each reward is paid or held.

        The treasury must have lost exactly the paid amount.
        """
        paid = sum(r.row.amount for r in self.rewards if r.status is Status.COMPLETED)
        held = sum(r.row.amount for r in self.rewards if r.row.batch == "")
        found = self.reconciliation
        return found.is_exact and paid + held == found.planned and paid == self.spent_tokens


def demo_result(
    session: Session, found: Reconciliation, before: Treasury, stack: LocalStack
) -> DemoResult:
    """Gather the numbers of the report; `before` is the treasury before the payment."""
    context = session.context
    distribution = context.store.distribution(found.week)
    planned = plan_of(found.week, distribution)
    header, plan_id = planned.header, planned.plan_id
    rewards = context.store.rewards(plan_id, range(header.rewards))
    after, costs = context.chain.treasury(), context.chain.costs()
    accounts = context.store.count_needing_account(plan_id)
    receipts = found.payouts + 2  # the anchor has two receipts
    return DemoResult(
        header=header,
        ratio=point_to_token_ratio(header),
        reconciliation=found,
        rewards=sorted(rewards, key=lambda r: (-r.row.amount, r.user_id)),
        anchor=distribution.signature if distribution else None,
        spent_lamports=before.lamports - after.lamports,
        spent_tokens=before.tokens - after.tokens,
        receipts=receipts,
        receipts_rent=receipts * costs.receipt_rent,
        accounts=accounts,
        accounts_rent=accounts * costs.token_account_rent,
        flower=_flower(stack),
        published=context.archive.location(found.week, planned.root),
    )


def _flower(stack: LocalStack) -> str:
    user, password_file = flower_login(stack)
    return f"{flower_address(stack)} (user {user}, password in {password_file})"


def show_result(console: Console, result: DemoResult, seconds: float) -> None:
    """Print it."""
    header, found = result.header, result.reconciliation
    console.print()
    console.print(
        f"[bold]{header.week.label}[/]: {counted(header.rewards, 'contributor')}, "
        f"{header.total_points:,} points, {tokens_text(header.total_amount)} KONTRIB, "
        f"ratio {float(result.ratio):.6g}"
    )
    console.print(_top(result.rewards[:TOP_REWARDS]))
    console.print(facts(_signatures(result) | _costs(result)))
    console.print(facts({"Flower": result.flower, "plan": result.published}))
    colour, sign = ("green", "=") if result.is_exact else ("red", "!=")
    console.print(
        f"[{colour}]plan {sign} database {sign} chain:[/] {found.planned:,} base units planned, "
        f"{found.database_paid:,} paid says the database, {found.chain_paid:,} paid says the "
        f"chain, {result.spent_tokens:,} left the treasury; in {seconds:.0f} s",
        soft_wrap=True,
    )
    for line in found.differences:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _top(rewards: Sequence[Reward]) -> object:
    made = table("contributor", ">points", ">KONTRIB", "wallet", "signature")
    for reward in rewards:
        signature = reward.signature or f"held: {reward.reason}"
        made.add_row(
            escaped(reward.user_id),
            f"{reward.row.points:,}",
            tokens_text(reward.row.amount),
            escaped(reward.row.wallet),
            f"{escaped(signature[:SHORT])}...",
        )
    return made


def _signatures(result: DemoResult) -> dict[str, object]:
    payments = result.reconciliation.signatures
    return {
        "anchor": result.anchor,
        "payments": ", ".join(payments[:TOP_REWARDS]),
        "and more": max(0, len(payments) - TOP_REWARDS) or None,
    }


def _costs(result: DemoResult) -> dict[str, object]:
    rent = result.receipts_rent + result.accounts_rent
    return {
        "cost": f"{result.spent_lamports:,} lamports ({sol_text(result.spent_lamports)} SOL)",
        "  fees": f"{result.spent_lamports - rent:,} lamports",
        "  receipts' rent": f"{result.receipts_rent:,} lamports for {result.receipts}",
        "  accounts' rent": f"{result.accounts_rent:,} lamports for {result.accounts} new ones",
    }
