"""The work of `kontrib migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.cli.console import emit, say, waiting
from worker.cli.findings_view import finding_document, show_findings
from worker.cli.session import Session
from worker.core.errors import NotReady
from worker.core.findings import Finding

if TYPE_CHECKING:
    from rich.console import Console

    from worker.adapters.mongo.schema.migrations import MigrationReport

LISTED_MAX = 20


class SchemaDiffers(NotReady):
    """The database is not as `kontrib migrate` leaves it."""

    def __init__(self, differences: list[Finding]) -> None:
        listed = "; ".join(str(d) for d in differences[:3])
        super().__init__(f"{len(differences)} differences from the schema: {listed}.")


def run_migration(session: Session, *, dry_run: bool, as_json: bool) -> None:
    """Migrate, or say what migration would do."""
    from worker.adapters.mongo.schema.migrations import migrate, plan_migration

    if dry_run:
        with waiting("Looking"):
            steps = plan_migration(session.database)
        texts = [step.description for step in steps]
        emit({"steps": texts}, as_json=as_json, render=lambda c: _show_steps(c, texts))
        return
    with waiting("Migrating"):
        report = migrate(session.database, say, session.clock.now())
    emit(_document(report), as_json=as_json, render=lambda c: _show_report(c, report))


def verify_schema(session: Session, *, as_json: bool) -> bool:
    """Print every difference from the schema; whether there is none."""
    from worker.adapters.mongo.schema.migrations import verify

    with waiting("Comparing the database with the schema"):
        differences = verify(session.database)
    document = {"differences": [finding_document(each) for each in differences]}
    emit(document, as_json=as_json, render=lambda console: _show_differences(console, differences))
    return not differences


def plan_the_rollback(session: Session, *, as_json: bool) -> None:
    """Say what a rollback would take away."""
    from worker.adapters.mongo.schema.rollback import plan_rollback

    steps = plan_rollback(session.database)
    emit({"steps": steps}, as_json=as_json, render=lambda c: _show_steps(c, steps))


def run_rollback(
    session: Session,
    *,
    confirm: str | None,
    backup: Path | None,
    no_backup: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Take away what migration added: refused while a week needs it, confirmed by the database's
    name, and after a backup."""
    from worker.adapters.mongo.schema.rollback import refuse_while_needed, rollback
    from worker.cli.database.confirm import require_name

    database, now = session.database, session.clock.now()
    if not force:
        refuse_while_needed(database, now)
    what = f"This deletes contributions and financial records of {database.name}."
    require_name(database.name, confirm, what)
    kept = None if no_backup else _back_up_first(session, backup)
    with waiting("Rolling back"):
        steps = list(rollback(database, say, now, force=force).steps)
    data = {"steps": steps, "backup": None if kept is None else str(kept)}
    emit(data, as_json=as_json, render=lambda c: _show_steps(c, steps))


def _back_up_first(session: Session, folder: Path | None) -> Path:
    from worker.adapters.mongo.backup.write import back_up

    now = session.clock.now()
    folder = folder or Path(f"kontrib-backup-{session.database.name}-{now:%Y%m%dT%H%M%SZ}")
    with waiting("Backing up"):
        back_up(session.database, folder, say, now)
    say(f"The backup is in {folder}; `kontrib restore {folder}` brings it back.")
    return folder


def require_schema(database: Any) -> str:
    """That there is no difference, as a sentence.

    Raises:
        SchemaDiffers: there is one.
    """
    from worker.adapters.mongo.schema.migrations import verify
    from worker.adapters.mongo.schema.spec import SCHEMA_VERSION

    if differences := verify(database):
        raise SchemaDiffers(differences)
    return f"version {SCHEMA_VERSION}"


def _document(report: MigrationReport) -> dict[str, Any]:
    return {
        "version_before": report.version_before,
        "version": report.version,
        "steps": [step.description for step in report.steps],
        "conflicts": report.conflicts,
        "documents_updated": report.documents_updated,
        "remaining": [finding_document(each) for each in report.remaining],
    }


def _show_steps(console: Console, texts: list[str]) -> None:
    console.print("\n".join(texts) or "Nothing to do.", markup=False)


def _show_report(console: Console, report: MigrationReport) -> None:
    if not report.steps:
        console.print(f"Nothing to do: the database has schema version {report.version}.")
        return
    console.print(
        f"Schema version {report.version}: {len(report.steps)} steps done, "
        f"{report.documents_updated:,} documents completed, "
        f"{len(report.conflicts)} conflicts resolved."
    )
    for difference in report.remaining[:LISTED_MAX]:
        console.print(f"  still: {difference}", markup=False, soft_wrap=True)


def _show_differences(console: Console, differences: list[Finding]) -> None:
    if not differences:
        console.print("The database has the schema.")
        return
    show_findings(console, differences)
