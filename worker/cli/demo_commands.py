"""`kontrib demo`: the whole main job on real parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import DEFAULT_STATE, StateFolder, read_week
from worker.core.week import Week


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog="Example: kontrib demo --contributions file.jsonl.gz --week 2022-W41")(demo)


def demo(
    context: typer.Context,
    state: StateFolder = DEFAULT_STATE,
    contributions: Annotated[
        Path | None,
        typer.Option("--contributions", metavar="FILE", help="Default: an example week."),
    ] = None,
    week: Annotated[
        Week | None,
        typer.Option(parser=read_week, metavar="WEEK", help="The week to pay. Default: 2024-W50."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
) -> None:
    """Pay one week on this machine, from contributions to finalized transfers, and check it."""
    del context
    from worker.cli.demo import run_demo

    raise typer.Exit(run_demo(state, contributions, week, keep=keep))
