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
from worker.core.cost import Cost
from worker.core.lifecycle import Status
from worker.core.money import sol_text, tokens_text
from worker.core.payout.chain import Treasury
from worker.core.payout.records import Reward
from worker.core.plan.commitment import Header
from worker.core.plan.totals import point_to_token_ratio
from worker.core.wording import counted
from worker.services.payout.reconcile import Reconciliation
from worker.services.plan.planned_week import plan_of
from worker.services.week.status import board

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
    cost: Cost
    flower: str
    published: str

    @property
    def is_exact(self) -> bool:
        """True if plan, database and chain agree and each reward is paid or held.

        The treasury must have lost exactly the paid amount, and the fee payer the recorded cost.
        """
        paid = sum(r.row.amount for r in self.rewards if r.status is Status.COMPLETED)
        held = sum(r.row.amount for r in self.rewards if r.row.batch == "")
        found = self.reconciliation
        is_paid = paid + held == found.planned and paid == self.spent_tokens
        return found.is_exact and is_paid and self.cost.total == self.spent_lamports


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
    return DemoResult(
        header=header,
        ratio=point_to_token_ratio(header),
        reconciliation=found,
        rewards=sorted(rewards, key=lambda r: (-r.row.amount, r.user_id)),
        anchor=distribution.signature if distribution else None,
        spent_lamports=before.lamports - after.lamports,
        spent_tokens=before.tokens - after.tokens,
        cost=board(context.store, found.week).cost(costs),
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
    """The lamports that left the fee payer, and the parts of the recorded cost."""
    cost = result.cost
    return {
        "cost": f"{result.spent_lamports:,} lamports ({sol_text(result.spent_lamports)} SOL)",
        "  fees": f"{cost.fees:,} lamports",
        "  receipts' rent": f"{cost.receipts_rent:,} lamports for {cost.receipts}",
        "  accounts' rent": f"{cost.accounts_rent:,} lamports for {cost.accounts} new ones",
        "  not explained": _unexplained(result),
    }


def _unexplained(result: DemoResult) -> str | None:
    difference = result.spent_lamports - (result.cost.total or 0)
    return f"{difference:,} lamports" if difference else None
