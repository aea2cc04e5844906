"""`kontrib check`: compares every stored figure with its sources."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from worker.cli.arguments import AsJson, session_of
from worker.cli.command import command
from worker.cli.console import emit, escaped, say, waiting
from worker.cli.findings_view import finding_document, show_findings
from worker.core.errors import ExitCode
from worker.services.check.everything import check_all, record_check

NOTES_SHOWN = 20
commands = typer.Typer()


@command(commands, "kontrib check --offline")
def check(
    context: typer.Context,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Skip comparisons that need the chain or the keys."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List differences in points, weeks, balances, stakes, power and counts.

    Exits 1 if there are any.
    """
    session = session_of(context)
    chain = None if offline else session.context
    with waiting("Comparing"):
        report = check_all(session.wiki, session.stores.checks, chain)
    if chain is not None:
        record_check(chain, report)
    document = {
        "clean": report.is_clean,
        "looked_at": dict(report.looked_at),
        "differences": [finding_document(finding) for finding in report.findings],
        "from_before": [finding_document(finding) for finding in report.from_before],
        "notes": report.notes,
    }

    def render(console: Console) -> None:
        show_findings(console, report.findings)
        before = [f"from before: {each}" for each in report.from_before]
        for notes in before, report.notes:
            for note in notes[:NOTES_SHOWN]:
                console.print(escaped(note), soft_wrap=True)
            if len(notes) > NOTES_SHOWN:
                console.print(f"{len(notes)} notes in all; --json lists them", markup=False)

    emit(document, as_json=as_json, render=render)
    say(f"{report.sentence()}.")
    if not report.is_clean:
        raise typer.Exit(ExitCode.FAILED)
