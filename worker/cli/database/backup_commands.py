"""`kontrib backup`, `kontrib restore` and `kontrib archive`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, session_of

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The backup's folder.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Example: kontrib backup /backups/2024-12-16")(backup)
    app.command(epilog="Example: kontrib restore /backups/2024-12-16")(restore)
    app.command(epilog="Example: kontrib archive --dry-run")(archive)


def backup(context: typer.Context, folder: Folder, as_json: AsJson = False) -> None:
    """Write the whole database into a new folder: BSON, gzip, checksums. mongorestore reads it."""
    from worker.cli.database.backup import back_up_database

    back_up_database(session_of(context), folder, as_json=as_json)


def restore(
    context: typer.Context,
    folder: Folder,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm",
            metavar="DATABASE",
            help="Replace what a database of this name holds, though it is not empty.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup back. Checks it as a whole first; run it again after any interruption."""
    from worker.cli.database.backup import restore_database

    restore_database(session_of(context), folder, confirm=confirm, as_json=as_json)


def archive(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be moved, and move nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move completed weeks that are older than a year to the archive; reports still find them."""
    from worker.cli.database.backup import archive_weeks

    archive_weeks(session_of(context), dry_run=dry_run, as_json=as_json)
