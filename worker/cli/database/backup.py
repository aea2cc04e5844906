"""The work of `kontrib backup`, `kontrib restore` and `kontrib archive`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.cli.console import emit, facts, say, table, waiting
from worker.cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console

    from worker.adapters.mongo.backup.format import BackupManifest
    from worker.services.watch.retention import Archiving


def back_up_database(session: Session, folder: Path, *, as_json: bool) -> None:
    """Write the backup, and print what it holds."""
    from worker.adapters.mongo.backup.write import back_up

    with waiting("Backing up"):
        manifest = back_up(session.database, folder, say, session.clock.now())
    data = {"folder": str(folder), "manifest": manifest.id, **_document(manifest)}
    emit(data, as_json=as_json, render=lambda console: _show(console, manifest))
    say(f"{manifest.documents:,} documents of {manifest.database} are in {folder}.")


def restore_database(session: Session, folder: Path, *, confirm: str | None, as_json: bool) -> None:
    """Put the backup back, and say what to do then."""
    from worker.adapters.mongo.backup.restore import restore
    from worker.cli.database.confirm import require_name

    if confirm is not None:
        require_name(session.database.name, confirm, "")
    with waiting("Restoring"):
        report = restore(session.database, folder, say, confirmed=confirm is not None)
    data = {"folder": str(folder), "mended": report.mended, **_document(report.manifest)}
    rows = {
        "backup of": f"{report.manifest.database}, {report.manifest.made_at}",
        "restored": f"{report.documents:,} documents in {report.collections} collections",
        "to be read from the chain again": report.mended or None,
    }
    emit(data, as_json=as_json, render=lambda console: console.print(facts(rows)))
    say(
        "What was paid since the backup is found on chain before anything is signed. Run "
        "`kontrib migrate verify` and `kontrib check`, then start the workers."
    )


def archive_weeks(session: Session, *, dry_run: bool, as_json: bool) -> None:
    """Move old weeks, or say which."""
    from worker.adapters.mongo.backup.retention import MongoRetention
    from worker.services.watch.retention import archive_old_weeks

    store, now = session.store, session.clock.now()
    result = archive_old_weeks(store, MongoRetention(session.database), now, dry_run=dry_run)
    data = {
        "moved": [week.label for week in result.moved],
        "kept": {week.label: why for week, why in result.kept.items()},
        "dry_run": dry_run,
    }
    emit(data, as_json=as_json, render=lambda console: _show_archiving(console, result, dry_run))


def _show_archiving(console: Console, result: Archiving, dry_run: bool) -> None:
    what = "would be moved" if dry_run else "moved"
    console.print(f"{len(result.moved)} weeks {what} to the archive.")
    for week in result.moved:
        console.print(f"  {week.label}")
    for week, why in result.kept.items():
        console.print(f"  {week.label} stays: {why}", markup=False)


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


def _show(console: Console, manifest: BackupManifest) -> None:
    made = table("collection", "priority", ">documents", ">bytes")
    for each in manifest.collections:
        size = each.data.size if each.data else 0
        made.add_row(each.name, each.priority, f"{each.documents:,}", f"{size:,}")
    console.print(made)
