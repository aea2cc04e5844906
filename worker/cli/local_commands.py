"""`kontrib local`: MongoDB engine, Redis and a Solana chain on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import DEFAULT_STATE, AsJson, StateFolder

local_app = typer.Typer(
    help="Everything kontrib needs, on this machine: MongoDB engine, Redis, Solana chain.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(local_app, name="local")


@local_app.command(epilog="Example: kontrib local up --state .kontrib")
def up(
    state: StateFolder = DEFAULT_STATE,
    workers: Annotated[
        bool, typer.Option("--workers", help="A Celery worker, beat and Flower, too.")
    ] = False,
) -> None:
    """Start what is not running, and write the settings to DIR/env."""
    from worker.cli.local_stack import flower_address, flower_login, open_stack, register_celery
    from worker.cli.output import say

    stack = open_stack(state)
    stack.up()
    if workers:
        register_celery(stack)
        stack.up()
        user, password_file = flower_login(stack)
        say(f"Flower: {flower_address(stack)} (user {user}, password in {password_file})")
    say(f"All of it answers. Settings: {stack.env_file} (kontrib finds {DEFAULT_STATE}/env itself)")
    say("Next: kontrib migrate; kontrib import FILE --create-users --create-wallets")


@local_app.command(epilog="Example: kontrib local down --purge")
def down(
    state: StateFolder = DEFAULT_STATE,
    purge: Annotated[bool, typer.Option("--purge", help="Delete the data, too.")] = False,
) -> None:
    """Stop exactly what `up` or `demo` started. The data stays."""
    from worker.cli import demo_state
    from worker.cli.local_stack import open_whole_stack
    from worker.cli.output import say

    stopped = demo_state.purge(state) if purge else open_whole_stack(state).down()
    if not stopped:
        say("Nothing was running.")


@local_app.command(epilog="Example: kontrib local status --json")
def status(state: StateFolder = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Show what runs; exits 3 if something does not answer."""
    from worker.cli.local_stack import open_whole_stack
    from worker.cli.output import emit, escaped, table

    services = open_whole_stack(state).status()
    made = table("service", "condition", ">pid", ">port", "detail")
    for s in services:
        where = (str(s.pid or ""), str(s.port or ""))
        made.add_row(s.name, s.condition, *where, escaped(s.detail))
    emit(services, as_json=as_json, render=lambda console: console.print(made))
    if any(s.condition not in ("running", "external") for s in services):
        raise typer.Exit(3)
