"""`kontrib contribute`: record contributions, one or a stream of them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.visible_text import visible_json
from worker.cli.arguments import AsJson, read_amount, read_object, session_of
from worker.cli.command import command
from worker.cli.console import emit, escaped, plain
from worker.cli.input_file import cut_lines, standard_input
from worker.core.errors import ExitCode, KontribError, NotReady
from worker.core.wiki.files.kinds import foreign_kind
from worker.core.wiki.files.record import RECORD_BYTES_MAX
from worker.core.wiki.files.strict_json import MalformedJson, read_json

if TYPE_CHECKING:
    from worker.services.wiki.contribute import Recorded, Request
    from worker.services.wiki_context import WikiContext

commands = typer.Typer()


@command(
    commands,
    "kontrib contribute --user 507f1f77bcf86cd799439011 --article 507f1f77bcf86cd799439012 "
    "--type creation --quality 2.5 --key edit-4711",
    """echo '{"user": "507f…", "article": "507f…", "type": "review", "key": "edit-4712"}' """
    "| kontrib contribute --stdin",
)
def contribute(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="The user's _id.")] = None,
    article: Annotated[str | None, typer.Option(help="The article's _id.")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="One of system_config.contribution_types.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            parser=read_amount, metavar="NUMBER", help="Quality multiplier; clamped to its range."
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="A description of the change.")] = "",
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="Any JSON object.")] = None,
    key: Annotated[
        str | None,
        typer.Option(help="A key for this contribution. The same key is recorded only once."),
    ] = None,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin",
            help="Read JSON lines with user, article, type, quality, description, metadata and "
            "key, and print a line of JSON for each.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record a contribution with its points, and update the counters.

    The points use the user's reputation and the article's demand at this moment. Exits 1 if a line
    of --stdin was refused; the others are recorded.
    """
    wiki = session_of(context).wiki
    if stdin:
        raise typer.Exit(ExitCode.DONE if _contribute_lines(wiki) else ExitCode.FAILED)
    values: dict[str, Any] = {"user": user, "article": article, "type": type_, "quality": quality}
    values |= {
        "description": description,
        "metadata": read_object("--metadata", metadata),
        "key": key,
    }
    _contribute_one(wiki, values, as_json=as_json)


def _contribute_one(wiki: WikiContext, values: dict[str, Any], *, as_json: bool) -> None:
    from worker.services.wiki.contribute import TEXTS, contribute, request_from

    for name in TEXTS:
        if not values[name]:
            raise typer.BadParameter(f"--{name} is needed, or --stdin")
    recorded = contribute(wiki, request_from(values))
    emit(_document(recorded), as_json=as_json, render=lambda c: c.print(_sentence(recorded)))


def _contribute_lines(wiki: WikiContext) -> bool:
    """Record line by line, and return whether all lines were recorded.

    Each line is answered before the next is read, so that a wiki may keep this process open.

    Raises:
        NotReady: nothing can be recorded now. The line has no answer, and can be sent again.
    """
    from worker.services.wiki.contribute import contribute

    all_well = True
    for number, line in enumerate(cut_lines(standard_input()), start=1):
        if not line.strip():
            continue
        try:
            recorded = contribute(wiki, _request_in(line))
            answer = {"line": number, "ok": True, **_document(recorded)}
        except NotReady:
            raise
        except KontribError as error:
            all_well = False
            name, message = type(error).__name__, str(error)
            answer = {"line": number, "ok": False, "error": name, "message": message}
        # In ASCII, so that every answer can be written in every encoding.
        sys.stdout.write(visible_json(json.dumps(answer, default=plain)) + "\n")
        sys.stdout.flush()
    return all_well


def _request_in(line: bytes) -> Request:
    """
    Raises:
        ContributionUnusable: the line is too long, not JSON, or not a contribution.
    """
    from worker.services.wiki.contribute import ContributionUnusable, request_from

    if len(line) > RECORD_BYTES_MAX:
        raise ContributionUnusable(f"The line is longer than {RECORD_BYTES_MAX} bytes.")
    try:
        values = read_json(line)
    except MalformedJson as error:
        kind = foreign_kind(line)
        why = f"it is {kind}" if kind else error
        raise ContributionUnusable(f"The line cannot be read ({why}).") from None
    return request_from(values)


def _document(recorded: Recorded) -> dict[str, Any]:
    made = recorded.contribution
    return {
        "id": made.id,
        "new": recorded.is_new,
        "key": recorded.key,
        "user": made.user_id,
        "article": made.article_id,
        "type": made.type,
        "base_points": made.base_points,
        **{f"{name}_multiplier": value for name, value in made.multipliers.items()},
        "total_points": made.total_points,
        "created_at": made.created_at,
    }


def _sentence(recorded: Recorded) -> str:
    made = recorded.contribution
    factors = (made.base_points, *made.multipliers.values())
    known = " x ".join(f"{value:g}" for value in factors if value is not None)
    of = f" ({known})" if known else ""
    how = "recorded" if recorded.is_new else "was recorded before under this key"
    return escaped(
        f"{made.total_points:,} points{of} for a {made.type} by {made.user_id}; {how} as {made.id}"
    )
