"""`kontrib backup`, `kontrib restore` and `kontrib archive`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.arguments import AsJson, DryRun, session_of
from worker.cli.command import command
from worker.cli.console import emit, facts, say, table, waiting
from worker.cli.database.confirm import require_name
from worker.core.wording import counted
from worker.services.watch.retention import archive_old_weeks

if TYPE_CHECKING:
    from worker.bootstrap.database import BackupManifest

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The backup's folder.", show_default=False)
]
commands = typer.Typer()


@command(commands, "kontrib backup /backups/2024-12-16")
def backup(context: typer.Context, folder: Folder, as_json: AsJson = False) -> None:
    """Write the whole database into a new folder that mongorestore can read, with checksums."""
    from worker.bootstrap.database import back_up

    session = session_of(context)
    with waiting("Backing up"):
        manifest = back_up(session.database, folder, say, session.clock.now())
    made = table("collection", "priority", ">documents", ">bytes")
    for each in manifest.collections:
        size = each.data.size if each.data else 0
        made.add_row(each.name, each.priority, f"{each.documents:,}", f"{size:,}")
    data = {"folder": str(folder), "manifest": manifest.id, **_document(manifest)}
    emit(data, as_json=as_json, render=lambda console: console.print(made))
    say(f"{manifest.database} is in {folder}: {counted(manifest.documents, 'document')}.")


@command(commands, "kontrib restore /backups/2024-12-16")
def restore(
    context: typer.Context,
    folder: Folder,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm",
            metavar="DATABASE",
            help="Replace the contents of the database with this name, if it is not empty.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup after checking all of it. Run it again after any interruption."""
    from worker.bootstrap.database import restore

    database = session_of(context).database
    if confirm is not None:
        require_name(database.name, confirm, "")
    with waiting("Restoring"):
        report = restore(database, folder, say, confirmed=confirm is not None)
    data = {"folder": str(folder), "mended": report.mended, **_document(report.manifest)}
    documents = counted(report.documents, "document")
    rows = {
        "backup of": f"{report.manifest.database}, {report.manifest.made_at}",
        "restored": f"{documents} in {counted(report.collections, 'collection')}",
        "reread from the chain later": report.mended or None,
    }
    emit(data, as_json=as_json, render=lambda console: console.print(facts(rows)))
    say(
        "Before workers sign, they find on chain all payments made since the backup. Run "
        "`kontrib migrate verify` and `kontrib check`, then start the workers."
    )


@command(commands, "kontrib archive --dry-run")
def archive(context: typer.Context, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Move weeks completed over a year ago to the archive. Reports still find them."""
    session = session_of(context)
    stores, now = session.stores, session.clock.now()
    result = archive_old_weeks(stores.payouts, stores.retention, now, dry_run=dry_run)
    moved = [week.label for week in result.moved]
    kept = {week.label: reason for week, reason in result.kept.items()}
    lines = [
        f"{counted(len(moved), 'week')} {'would be moved' if dry_run else 'moved'} to the archive.",
        *(f"  {label}" for label in moved),
        *(f"  {label} stays: {reason}" for label, reason in kept.items()),
    ]
    data = {"moved": moved, "kept": kept, "dry_run": dry_run}
    emit(data, as_json=as_json, render=lambda c: c.print("\n".join(lines), markup=False))


def _document(manifest: BackupManifest) -> dict[str, Any]:
    return {
        "database": manifest.database,
        "made_at": manifest.made_at,
        "documents": manifest.documents,
        "collections": {
            each.name: {"documents": each.documents, "priority": each.priority}
            for each in manifest.collections
        },
    }
