"""Commands about the whole: pause, resume, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import AsJson, session_of
from worker.cli.command import command
from worker.cli.console import say
from worker.core.errors import ExitCode

commands = typer.Typer()


@command(commands, 'kontrib pause --reason "the treasury moves"')
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Shown to everyone who asks.")] = (
        "by an operator"
    ),
) -> None:
    """Stop all signing at once. What was sent already may still land, and is settled."""
    session_of(context).store.pause(reason)
    say(f"Signing is paused: {reason}. Go on with `kontrib resume`.")


@command(commands, "kontrib resume")
def resume(context: typer.Context) -> None:
    """Go on signing, with everything that waited."""
    from worker.services.week.unblock import resume_signing

    session = session_of(context)
    resume_signing(session.store, session.clock.now())
    say("Signing goes on.")
    session.broker.wake_if_possible("tasks.sweep")


@command(commands, "kontrib doctor --json")
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Examine everything that a payout needs; exits 3 if something is missing."""
    from worker.cli.week.doctor import ask_everything

    if not ask_everything(session_of(context), as_json=as_json):
        raise typer.Exit(ExitCode.NOT_READY)
