"""Commands about the whole: pause, resume, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import AsJson, session_of


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog='Example: kontrib pause --reason "the treasury moves"')(pause)
    app.command(epilog="Example: kontrib resume")(resume)
    app.command(epilog="Example: kontrib doctor --json")(doctor)


def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Shown to everyone who asks.")] = (
        "by an operator"
    ),
) -> None:
    """Stop all signing at once. What was sent already may still land, and is settled."""
    from worker.cli.console import say

    session_of(context).store.pause(reason)
    say(f"Signing is paused: {reason}. Go on with `kontrib resume`.")


def resume(context: typer.Context) -> None:
    """Go on signing, with everything that waited."""
    from worker.cli.console import say
    from worker.cli.week.work import wake_or_say
    from worker.core.lifecycle import Stage

    session = session_of(context)
    store, now = session.store, session.clock.now()
    store.pause(None)
    for distribution in store.distributions():
        if distribution.stage is not Stage.COMPLETED:
            store.requeue(distribution.week, now)
    say("Signing goes on.")
    wake_or_say(session, "tasks.sweep")


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Examine everything that a payout needs; exits 3 if something is missing."""
    from worker.cli.week.doctor import ask_everything

    if not ask_everything(session_of(context), as_json=as_json):
        raise typer.Exit(3)
