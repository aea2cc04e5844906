"""An act that cannot be undone is confirmed by the database's name, never by a `y`."""

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


class WrongDatabase(UsageError):
    """--confirm names another database than the configured one."""

    def __init__(self, given: str, database: str) -> None:
        super().__init__(
            f"--confirm names {given}, but the configured database is {database}. Nothing was "
            "changed."
        )


def require_name(database: str, given: str | None, warning: str) -> None:
    """Ask for the database's name, unless it was given. Only a person is asked.

    Raises:
        WrongDatabase, NotConfirmed: the name is another one, or missing.
    """
    if given is not None:
        if given != database:
            raise WrongDatabase(given, database)
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(database)
    typer.echo(warning, err=True)
    if typer.prompt(f"Type the database's name to go on ({database})", err=True) != database:
        raise NotConfirmed(database)
