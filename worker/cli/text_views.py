"""What commands print for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from worker.cli.console import escaped, table
from worker.core.money import tokens_text
from worker.services.payout.reconcile import Reconciliation
from worker.services.watch.doctor import Check

if TYPE_CHECKING:
    from rich.console import Console


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        sign = "[green]ok  [/]" if check.ok else "[red]FAIL[/]"
        console.print(f"{sign} [bold]{check.name}[/]: {escaped(check.detail)}", soft_wrap=True)
        if check.advice:
            console.print(f"     {check.advice}", markup=False, soft_wrap=True)


def show_reconciliation(console: Console, result: Reconciliation) -> None:
    colour = "green" if result.is_exact else "red"
    console.print(f"[{colour}]{escaped(result.sentence())}[/]", soft_wrap=True)
    made = table("", ">base units", ">KONTRIB")
    for name, amount in {
        "planned": result.planned,
        "paid, says the database": result.database_paid,
        "not paid yet": result.database_unpaid,
        "paid, says the chain": result.chain_paid,
        "mismatch": result.mismatch,
    }.items():
        made.add_row(name, f"{amount:,}", tokens_text(amount))
    console.print(made)
    for line in result.differences:
        console.print(f"  {line}", markup=False, soft_wrap=True)
