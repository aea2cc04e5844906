"""`kontrib publish`, `proof` and `salts`: files for strangers, one contributor, and ourselves."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from config.visible_text import visible_json
from worker.cli.arguments import AsJson, WeekArgument, session_of
from worker.cli.command import command
from worker.cli.console import emit, facts, print_json, say, waiting, write_private
from worker.core.errors import UsageError
from worker.core.identity import salts_document
from worker.core.money import tokens_text
from worker.core.wording import counted
from worker.services.proof.contributor_proof import make_proof
from worker.services.proof.plan_salts import list_salts
from worker.services.proof.publish_bundle import Published, publish_week

commands = typer.Typer()


@command(commands, "kontrib publish 2024-W50 bundles")
def publish(
    context: typer.Context,
    week: WeekArgument,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The bundle is written to DIR/<week>, the page to DIR/index.html."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Write files and a page with which anybody can check a week. They contain no names."""
    from worker.bootstrap.without_settings import BundleFolderWriter

    writer = BundleFolderWriter(folder, week)
    try:
        with waiting(f"Publishing {week.label}"):
            published = publish_week(session_of(context).context, week, writer)
    finally:
        writer.discard()
    unreadable = f"{counted(published.unreadable, 'transaction')}; add an archive endpoint"
    total, paid = tokens_text(published.total_amount), tokens_text(published.paid_amount)
    rows = {
        "week": f"{published.week.label}, root {published.root.hex()}",
        "planned": f"{counted(published.rewards, 'reward')}, {total} KONTRIB",
        "paid": f"{paid} KONTRIB",
        "batches": f"{published.paid:,} paid, {published.void:,} void, {published.open:,} open",
        "paid alone": f"{published.alone:,}",
        "unreadable": unreadable if published.unreadable else None,
    }
    emit(_document(published), as_json=as_json, render=lambda c: c.print(facts(rows)))
    path = shlex.quote(published.location)
    say(f"The bundle is in {path}. Check it: kontrib verify {path} --rpc URL")
    say(
        f"Or in a browser: put {shlex.quote(str(folder))} on any web host, and open its index.html."
    )


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


@command(commands, "kontrib proof 507f1f77bcf86cd799439011 2024-W50 --out proof.json")
def proof(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    week: WeekArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The file to write. Default: standard output."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the proof of one contributor's row. Give it to that contributor alone."""
    with waiting(f"Proving the row of {user}"):
        content = make_proof(session_of(context).context, week, user).canonical() + b"\n"
    if out is None:
        # A file gets the bytes that are proven; a terminal gets the same JSON with escapes.
        text = content.decode()
        sys.stdout.write(visible_json(text) if sys.stdout.isatty() else text)
        return
    write_private(out, content)
    if as_json:
        print_json({"file": out, "bytes": len(content)})
    path = shlex.quote(str(out))
    say(
        f"The proof is in {path}, {len(content):,} bytes. It names the user's row: give it to the "
        f"user alone. The user checks it with: kontrib verify-proof {path} --rpc URL"
    )


@command(commands, "kontrib salts salts.json")
def salts(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the salts of all weeks, before the receipt key moves from a file into a module."""
    if file.exists():  # it may hold the salts of before, or a key
        raise UsageError(f"{file} exists, and nothing is written over. Name a new file.")
    ports = session_of(context).context
    found = list_salts(ports)
    write_private(file, salts_document(ports.chain.public_addresses.receipt_key, found))
    if as_json:
        print_json({"file": file, "weeks": len(found)})
    say(
        f"The salts of {counted(len(found), 'week')} are in {shlex.quote(str(file))}. Keep it "
        "secret, and name it on every worker: EARLIER_SALTS_FILE"
    )
