"""`kontrib check`: every difference between what is stored and what it is computed from."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import AsJson, session_of
from worker.cli.command import command
from worker.core.errors import ExitCode

commands = typer.Typer()


@command(commands, "kontrib check --offline")
def check(
    context: typer.Context,
    offline: Annotated[
        bool, typer.Option("--offline", help="Leave out what needs the chain and the keys.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List every difference in points, weeks, balances, stakes, power and counts; exits 1 then."""
    from worker.cli.proof.check_work import check_everything

    if not check_everything(session_of(context), offline=offline, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
