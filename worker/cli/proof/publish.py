"""`kontrib publish` and `kontrib proof`: the files that convince a stranger or a contributor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.visible_text import visible_json
from worker.cli.arguments import AsJson, WeekArgument, session_of
from worker.cli.command import command
from worker.cli.console import emit, facts, say, waiting
from worker.core.errors import UsageError
from worker.core.money import tokens_text

if TYPE_CHECKING:
    from worker.services.proof.publish_bundle import Published


class ProofFileUnusable(UsageError):
    """The file cannot be read or written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be used: {error.strerror or error}.")


commands = typer.Typer()


@command(commands, "kontrib publish 2024-W50 bundles")
def publish(
    context: typer.Context,
    week: WeekArgument,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The bundle is written to DIR/<week>.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write the files with which a stranger checks a week. They hold no names."""
    from worker.bootstrap.without_settings import BundleFolderWriter
    from worker.services.proof.publish_bundle import publish_week

    writer = BundleFolderWriter(folder, week)
    try:
        with waiting(f"Publishing {week.label}"):
            published = publish_week(session_of(context).context, week, writer)
    finally:
        writer.discard()
    rows = facts(_rows(published))
    emit(_document(published), as_json=as_json, render=lambda console: console.print(rows))
    say(f"Published at {published.location}. Check it: kontrib verify {published.location}")


def _document(published: Published) -> dict[str, Any]:
    return {
        "week": published.week.label,
        "location": published.location,
        "root": published.root,
        "rewards": published.rewards,
        "total_base_units": published.total_amount,
        "paid_base_units": published.paid_amount,
        "batches": {"paid": published.paid, "void": published.void, "open": published.open},
        "paid_alone": published.alone,
        "unreadable": published.unreadable,
    }


def _rows(published: Published) -> dict[str, object]:
    unreadable = f"{published.unreadable:,} transactions; add an archive endpoint"
    return {
        "week": f"{published.week.label}, root {published.root.hex()}",
        "planned": f"{published.rewards:,} rewards, {tokens_text(published.total_amount)} KONTRIB",
        "paid": f"{tokens_text(published.paid_amount)} KONTRIB",
        "batches": f"{published.paid:,} paid, {published.void:,} void, {published.open:,} open",
        "paid alone": f"{published.alone:,}",
        "unreadable": unreadable if published.unreadable else None,
    }


@command(commands, "kontrib proof 507f1f77bcf86cd799439011 2024-W50 --out proof.json")
def proof(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    week: WeekArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write it. Default: standard output."),
    ] = None,
) -> None:
    """Write the proof of one contributor's row. It names them: give it to nobody else."""
    from worker.services.proof.contributor_proof import make_proof

    with waiting(f"Proving the row of {user}"):
        content = make_proof(session_of(context).context, week, user).canonical() + b"\n"
    if out is None:
        # A file gets the bytes that are proven; a terminal gets the same JSON with escapes.
        text = content.decode()
        sys.stdout.write(visible_json(text) if sys.stdout.isatty() else text)
        return
    try:
        # For the eyes of its reader only.
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise ProofFileUnusable(out, error) from None
    say(
        f"Written to {out}, {len(content):,} bytes. It says which row is the user's: give it to "
        f"them alone. They check it: kontrib verify-proof {out} --rpc URL"
    )
