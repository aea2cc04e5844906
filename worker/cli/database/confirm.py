"""Confirmation of a command that cannot be undone: the database's name, never a `y`."""

from __future__ import annotations

import sys

import typer

from worker.core.errors import Refused, UsageError


class NotConfirmed(Refused):
    """The database's name was not typed."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"Not confirmed; nothing was changed. Give the database's name: --confirm {database}."
        )


def require_name(database: str, given: str | None, warning: str) -> None:
    """Check the given name, or ask the person at the terminal for it.

    Raises:
        UsageError: the given name is another database's.
        NotConfirmed: no name was given or typed correctly.
    """
    if given is not None:
        if given != database:
            raise UsageError(
                f"--confirm names {given}, but the configured database is {database}. "
                "Nothing was changed."
            )
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(database)
    typer.echo(warning, err=True)
    if typer.prompt(f"Type the database's name to go on ({database})", err=True) != database:
        raise NotConfirmed(database)
