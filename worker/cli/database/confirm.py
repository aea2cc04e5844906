"""What cannot be undone is confirmed by the database's name, never by a `y`."""

from __future__ import annotations

import sys

import typer

from worker.core.errors import Refused, UsageError


class NotConfirmed(Refused):
    """The name was not given, or another one."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"Not confirmed; nothing was changed. Give the database's name: --confirm {database}."
        )


class WrongDatabase(UsageError):
    """The name that was given is not that of the configured database."""

    def __init__(self, given: str, database: str) -> None:
        super().__init__(
            f"--confirm names {given}, but the configured database is {database}. Nothing was "
            "changed."
        )


def require_name(database: str, given: str | None, what: str) -> None:
    """Ask for the database's name, unless it was given. Only a person is asked.

    Raises:
        WrongDatabase, NotConfirmed: it is not that.
    """
    if given is not None:
        if given != database:
            raise WrongDatabase(given, database)
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(database)
    typer.echo(what, err=True)
    if typer.prompt(f"Type the database's name to go on ({database})", err=True) != database:
        raise NotConfirmed(database)
