"""`python -m deploy.local`: MongoDB engine, Redis and a Solana chain on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, read_week, session_of
from worker.core.errors import ExitCode
from worker.core.week import Week

DEFAULT_STATE = Path(".kontrib")
StateFolder = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="The folder of the local stack's files.")
]

local_app = typer.Typer(
    help="The services that kontrib needs, on this machine: MongoDB engine, Redis, Solana chain.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not ready.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@local_app.callback()
def options(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Options of every command."""
    session_of(context).debug = debug


@local_app.command(epilog="Example: python -m deploy.local up --state .kontrib")
def up(
    state: StateFolder = DEFAULT_STATE,
    workers: Annotated[
        bool, typer.Option("--workers", help="Also start a Celery worker, beat and Flower.")
    ] = False,
) -> None:
    """Start missing services, and write the settings to DIR/env."""
    from deploy.local.cli.stack import flower_address, flower_login, open_stack, register_celery
    from worker.cli.console import say

    stack = open_stack(state)
    stack.up()
    if workers:
        register_celery(stack)
        stack.up()
        user, password_file = flower_login(stack)
        say(f"Flower: {flower_address(stack)} (user {user}, password in {password_file})")
    say(
        f"Every service answers. Settings: {stack.env_file} "
        f"(kontrib finds {DEFAULT_STATE}/env by itself)"
    )
    say("Next: kontrib migrate; kontrib import FILE --create-users --create-wallets")


@local_app.command(epilog="Example: python -m deploy.local down --purge")
def down(
    state: StateFolder = DEFAULT_STATE,
    purge: Annotated[bool, typer.Option("--purge", help="Delete the data, too.")] = False,
) -> None:
    """Stop the services that `up` or `demo` started. The data stays."""
    from deploy.local.cli import demo_state
    from deploy.local.cli.stack import open_whole_stack
    from worker.cli.console import say

    stopped = demo_state.purge(state) if purge else open_whole_stack(state).down()
    if not stopped:
        say("Nothing was running.")


@local_app.command(epilog="Example: python -m deploy.local status --json")
def status(state: StateFolder = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Show the services; exits 3 if one does not answer."""
    from deploy.local.cli.stack import open_whole_stack
    from worker.cli.console import emit, escaped, table

    services = open_whole_stack(state).status()
    made = table("service", "condition", ">pid", ">port", "detail")
    for s in services:
        where = (str(s.pid or ""), str(s.port or ""))
        made.add_row(s.name, s.condition, *where, escaped(s.detail))
    emit(services, as_json=as_json, render=lambda console: console.print(made))
    if any(s.condition not in ("running", "external") for s in services):
        raise typer.Exit(ExitCode.NOT_READY)


@local_app.command(
    epilog="Example: python -m deploy.local demo --contributions file.jsonl.gz --week 2022-W41"
)
def demo(
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
    from deploy.local.cli.demo import run_demo

    raise typer.Exit(run_demo(state, contributions, week, keep=keep))
