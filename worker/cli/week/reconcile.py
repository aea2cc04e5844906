"""`kontrib reconcile`: compares a week's plan, database records and chain."""

from __future__ import annotations

import typer
from rich.console import Console

from worker.cli.arguments import AsJson, WeekArgument, session_of
from worker.cli.board_view import cost_document, week_document
from worker.cli.command import command
from worker.cli.console import emit, escaped, table, waiting
from worker.core.errors import ExitCode
from worker.core.money import tokens_text
from worker.services.payout.read_again import read_again, read_charges, write_back
from worker.services.payout.reconcile import reconcile as compare_books
from worker.services.plan.planned_week import plan_of, planned_distribution
from worker.services.week.status import board as read_board

commands = typer.Typer()


@command(commands, "kontrib reconcile 2024-W50 --json")
def reconcile(context: typer.Context, week: WeekArgument, as_json: AsJson = False) -> None:
    """Compare plan, database and chain to the base unit. Exits 1 if they differ.

    Records signatures, slots and dates that are missing in the database. Exits 3 if the chain
    cannot be read wholly now.
    """
    session = session_of(context)
    distribution = planned_distribution(session.store, week)
    with waiting(f"Comparing {week.label} with the chain"):
        planned = plan_of(week, distribution)
        read_again(session.context, planned, due=None)
        write_back(session.context, planned)
        read_charges(session.context, week)
        result = compare_books(session.context, distribution)
    amounts = {
        "planned": result.planned,
        "paid according to the database": result.database_paid,
        "not yet paid": result.database_unpaid,
        "paid according to the chain": result.chain_paid,
        "mismatch": result.mismatch,
    }
    data = week_document(week) | {
        "exact": result.is_exact,
        "planned_base_units": result.planned,
        "database_paid_base_units": result.database_paid,
        "database_unpaid_base_units": result.database_unpaid,
        "chain_paid_base_units": result.chain_paid,
        "mismatch_base_units": result.mismatch,
        "payouts": result.payouts,
        "unreadable": result.unreadable,
        **cost_document(read_board(session.store, week).cost(None)),
        "differences": result.differences,
        "signatures": result.signatures,
    }

    def render(console: Console) -> None:
        colour = "green" if result.is_exact else "yellow" if result.is_unproven else "red"
        console.print(f"[{colour}]{escaped(result.sentence())}[/]", soft_wrap=True)
        made = table("", ">base units", ">KONTRIB")
        for name, amount in amounts.items():
            made.add_row(name, f"{amount:,}", tokens_text(amount))
        console.print(made)
        for line in result.differences:
            console.print(f"  {line}", markup=False, soft_wrap=True)

    emit(data, as_json=as_json, render=render)
    if not result.is_exact:
        raise typer.Exit(ExitCode.NOT_READY if result.is_unproven else ExitCode.FAILED)
