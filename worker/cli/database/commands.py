"""`kontrib migrate` and `kontrib import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.arguments import AsJson, read_week, session_of
from worker.core.week import Week

migrate_app = typer.Typer(
    help="Create collections, indexes and validators, and add the new fields.",
    invoke_without_command=True,
    epilog="Example: kontrib migrate --dry-run",
)
FileArgument = Annotated[
    str,
    typer.Argument(metavar="FILE", help="JSON lines or CSV, gzip or not; - is standard input."),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(migrate_app, name="migrate")
    app.command("import", epilog="Example: kontrib import contributions.jsonl.gz --week 2024-W50")(
        import_file
    )


@migrate_app.callback()
def migrate(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
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
        from worker.cli.database.migration import run_migration

        session = session_of(context)
        run_migration(session, set_aside or [], dry_run=dry_run, as_json=as_json)


@migrate_app.command(epilog="Example: kontrib migrate verify")
def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare the database with the schema; exits 1 where they differ."""
    from worker.cli.database.migration import verify_schema

    if not verify_schema(session_of(context), as_json=as_json):
        raise typer.Exit(1)


@migrate_app.command(epilog="Example: kontrib migrate rollback --dry-run")
def rollback(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="DATABASE", help="The database's name; else it asks."),
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option(
            "--backup", metavar="DIR", help="Where the backup goes that is written first."
        ),
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Write no backup first.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even while a week is open or rewards are owed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the added fields and drop the new collections. Deletes financial records."""
    from worker.cli.database.migration import plan_the_rollback, run_rollback

    session = session_of(context)
    if dry_run:
        plan_the_rollback(session, as_json=as_json)
        return
    run_rollback(
        session, confirm=confirm, backup=backup, no_backup=no_backup, force=force, as_json=as_json
    )


def import_file(
    context: typer.Context,
    file: FileArgument,
    week: Annotated[
        Week | None,
        typer.Option(parser=read_week, metavar="WEEK", help="Only contributions of this week."),
    ] = None,
    create_users: Annotated[
        bool, typer.Option("--create-users", help="Add users that do not exist (for a trial).")
    ] = False,
    create_wallets: Annotated[
        bool,
        typer.Option(
            "--create-wallets",
            help="Give users without a wallet one that is derived from their id. Anyone can "
            "derive it: for a trial on a local chain only.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import contributions and compute their points. Run it again after any interruption."""
    from worker.cli.database.import_file import import_contributions

    import_contributions(
        session_of(context),
        file,
        week=week,
        create_users=create_users,
        create_wallets=create_wallets,
        as_json=as_json,
    )
