"""`kontrib migrate` and its own commands `verify` and `rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.arguments import AsJson, DryRun, WeekArgument, session_of
from worker.cli.command import command
from worker.cli.console import emit, say, waiting
from worker.cli.findings_view import finding_document, show_findings
from worker.cli.session import Session
from worker.core.errors import ExitCode
from worker.core.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

LISTED_MAX = 20
migrate_commands = typer.Typer(
    help="Create collections, indexes and validators, and add the new fields.",
    invoke_without_command=True,
    epilog="Example: kontrib migrate --dry-run",
)
commands = typer.Typer()
commands.add_typer(migrate_commands, name="migrate")


@migrate_commands.callback()
def migrate(
    context: typer.Context,
    dry_run: DryRun = False,
    set_aside: Annotated[
        list[str] | None,
        typer.Option(
            "--set-aside",
            metavar="COLLECTION",
            help="Keep a collection of the wiki's that has another meaning under another name.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create collections, indexes and validators, and add the new fields. Any number of times."""
    if context.invoked_subcommand is None:
        act = _plan_migration if dry_run else _migrate
        act(session_of(context), set_aside or [], as_json=as_json)


def _plan_migration(session: Session, set_aside: list[str], *, as_json: bool) -> None:
    from worker.bootstrap.database import plan_migration

    with waiting("Looking"):
        steps = [step.description for step in plan_migration(session.database, set_aside)]
    _emit_steps(steps, as_json=as_json)


def _migrate(session: Session, set_aside: list[str], *, as_json: bool) -> None:
    from worker.bootstrap.database import migrate

    with waiting("Migrating"):
        report = migrate(session.database, say, session.clock.now(), set_aside)
    data = {
        "version_before": report.version_before,
        "version": report.version,
        "steps": [step.description for step in report.steps],
        "conflicts": report.conflicts,
        "warnings": report.warnings,
        "choices": report.choices,
        "documents_updated": report.documents_updated,
        "remaining": [finding_document(each) for each in report.remaining],
    }
    lines = [f"Nothing to do: the database has schema version {report.version}."]
    if report.steps:
        lines = [
            f"Schema version {report.version}: {counted(len(report.steps), 'step')} done, "
            f"{counted(report.documents_updated, 'document')} completed, "
            f"{len(report.conflicts)} conflicts resolved.",
            *(f"  still: {each}" for each in report.remaining[:LISTED_MAX]),
        ]
    emit(
        data,
        as_json=as_json,
        render=lambda c: c.print("\n".join(lines), markup=False, soft_wrap=True),
    )


@command(migrate_commands, "kontrib migrate verify")
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare the database with the schema; exits 1 if they differ."""
    from worker.bootstrap.database import verify

    with waiting("Comparing the database with the schema"):
        differences = verify(session_of(context).database)

    def render(console: Console) -> None:
        if not differences:
            console.print("The database has the schema.")
            return
        show_findings(console, differences)

    document = {"differences": [finding_document(each) for each in differences]}
    emit(document, as_json=as_json, render=render)
    if differences:
        raise typer.Exit(ExitCode.FAILED)


@command(migrate_commands, 'kontrib migrate set-aside 2024-W50 --reason "nobody was paid"')
def set_aside(
    context: typer.Context,
    week: WeekArgument,
    reason: Annotated[str, typer.Option("--reason", help="Recorded with the document.")],
) -> None:
    """Move a week's distribution by another system away. The week is then planned and paid here."""
    from worker.bootstrap.database import set_week_aside

    session = session_of(context)
    paid = set_week_aside(session.database, week, reason, session.clock.now())
    say(
        f"weekly_distributions_conflicts holds the distribution of {week.label} by another system, "
        "and your reason. The week is planned and paid like every other one."
    )
    if paid:
        say(
            f"That system has paid, or may have paid, {counted(paid, 'reward')} of the week. The "
            "users are paid here as well."
        )


@command(migrate_commands, "kontrib migrate rollback --dry-run")
def rollback(
    context: typer.Context,
    dry_run: DryRun = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="DATABASE", help="The database's name. Default: ask."),
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option("--backup", metavar="DIR", help="The folder of the backup that comes first."),
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Write no backup first.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Roll back even if a week is open or owed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what migration added, and nothing else. Deletes financial records.

    It is refused while a week needs these records. It asks for the database's name, and writes a
    backup first.
    """
    from worker.bootstrap.database import plan_rollback, refuse_while_needed, rollback
    from worker.cli.database.confirm import require_name

    session = session_of(context)
    database, now = session.database, session.clock.now()
    if dry_run:
        _emit_steps(plan_rollback(database), as_json=as_json)
        return
    if not force:
        refuse_while_needed(database, now)
    deleted = (
        f"This deletes the plans, rewards and payments that kontrib recorded in {database.name}."
    )
    require_name(database.name, confirm, deleted)
    kept = None if no_backup else _back_up_first(session, backup)
    with waiting("Rolling back"):
        steps = rollback(database, say, now, force=force).steps
    _emit_steps(steps, as_json=as_json, backup=None if kept is None else str(kept))


def _back_up_first(session: Session, folder: Path | None) -> Path:
    from worker.bootstrap.database import back_up

    now = session.clock.now()
    folder = folder or Path(f"kontrib-backup-{session.database.name}-{now:%Y%m%dT%H%M%SZ}")
    with waiting("Backing up"):
        back_up(session.database, folder, say, now)
    say(f"The backup is in {folder}; `kontrib restore {folder}` brings it back.")
    return folder


def _emit_steps(steps: Sequence[str], *, as_json: bool, **data: Any) -> None:
    text = "\n".join(steps) or "Nothing to do."
    emit({"steps": steps, **data}, as_json=as_json, render=lambda c: c.print(text, markup=False))
