"""`kontrib user`: what the wiki shows of one user."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.arguments import AsJson, session_of

PAGE = 20


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog="Example: kontrib user 507f1f77bcf86cd799439011 --contributions")(user)


def user(
    context: typer.Context,
    user_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    contributions: Annotated[
        bool, typer.Option("--contributions", help="A page of the contributions instead.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="A page of the weeks' rewards instead.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="PAGE", help="The next page, as the last one named it."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = PAGE,
    as_json: AsJson = False,
) -> None:
    """A user's points this week, estimated tokens, rewards, stakes and voting power."""
    from worker.cli.wiki.user import show_contributions, show_dashboard, show_history

    session = session_of(context)
    if contributions:
        show_contributions(session, user_id, after=after, limit=limit, as_json=as_json)
    elif history:
        show_history(session, user_id, after=after, limit=limit, as_json=as_json)
    else:
        show_dashboard(session, user_id, as_json=as_json)
