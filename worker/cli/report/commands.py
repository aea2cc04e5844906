"""`kontrib report`: a week as a page, a table or data; a year of one user for taxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, OptionalWeek, session_of
from worker.cli.command import command

commands = typer.Typer()


@command(commands, "kontrib report 2024-W50 --html week.html")
def report(
    context: typer.Context,
    week: OptionalWeek = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print one line for each reward.")] = False,
    year: Annotated[
        int | None,
        typer.Option("--year", min=2020, max=9998, help="What was paid in a year, in UTC."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Whose year it is.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report a week with --html FILE, --csv or --json; or --year Y --user ID, with --csv.

    It names contributors by their ids: for operators and auditors, not for the public.
    """
    from worker.cli.report import work

    if (html is not None) + csv + as_json != 1:
        raise typer.BadParameter("choose one of --html FILE, --csv and --json")
    session = session_of(context)
    if year is not None or user is not None:
        if year is None or user is None or week is not None or html is not None:
            raise typer.BadParameter("a year needs --year Y --user ID, --csv or --json, no week")
        work.print_year(session, year, user, as_json=as_json)
    elif week is None:
        raise typer.BadParameter("name a week, as 2024-W50, or --year Y --user ID")
    elif csv:
        work.print_rewards(session, week)
    elif html is not None:
        work.write_page(session, week, html)
    else:
        work.print_report(session, week)
