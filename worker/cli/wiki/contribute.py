"""`kontrib contribute`: record contributions, one or a stream of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.arguments import AsJson, session_of

if TYPE_CHECKING:
    from worker.services.wiki.contribute import Recorded, Request
    from worker.services.wiki_context import WikiContext

_EXAMPLES = """Examples:

kontrib contribute --user 507f1f77bcf86cd799439011 --article 507f1f77bcf86cd799439012 --type creation --quality 2.5 --key edit-4711

echo '{"user": "507f…", "article": "507f…", "type": "review", "key": "edit-4712"}' | kontrib contribute --stdin"""  # noqa: E501 - a line of an example is one line of a shell


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=_EXAMPLES)(contribute)


def contribute(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="The user's _id.")] = None,
    article: Annotated[str | None, typer.Option(help="The article's _id.")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="One of system_config.contribution_types.")
    ] = None,
    quality: Annotated[
        str | None, typer.Option(help="Quality multiplier; clamped to its range.")
    ] = None,
    description: Annotated[str, typer.Option(help="What was done.")] = "",
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="Any JSON object.")] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Names this contribution: the same key is recorded once, ever."),
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
    """Record a contribution with the points that it has now, and count it.

    Reputation is the user's and demand the article's at this moment. Exits 1 if a line of --stdin
    was refused; the others are recorded.
    """
    wiki = session_of(context).wiki
    if stdin:
        raise typer.Exit(0 if _contribute_lines(wiki) else 1)
    values = {"user": user, "article": article, "type": type_, "quality": quality}
    values |= {"description": description, "metadata": _object(metadata), "key": key}
    _contribute_one(wiki, values, as_json=as_json)


def _contribute_one(wiki: WikiContext, values: dict[str, Any], *, as_json: bool) -> None:
    from worker.cli.console import emit
    from worker.services.wiki.contribute import TEXTS, contribute, request_from

    for name in TEXTS:
        if not values[name]:
            raise typer.BadParameter(f"--{name} is needed, or --stdin")
    recorded = contribute(wiki, request_from(values))
    emit(_document(recorded), as_json=as_json, render=lambda c: c.print(_sentence(recorded)))


def _contribute_lines(wiki: WikiContext) -> bool:
    """Each line by itself, answered before the next is read, so that a wiki may keep us open.

    Raises:
        NotReady: nothing can be recorded now; the line has no answer, and can be sent again.
    """
    import json
    import sys

    from worker.cli.console import plain
    from worker.core.errors import KontribError, NotReady
    from worker.services.wiki.contribute import contribute

    all_well = True
    for number, line in _lines():
        try:
            recorded = contribute(wiki, _request_in(line))
            answer = {"line": number, "ok": True, **_document(recorded)}
        except NotReady:
            raise
        except KontribError as error:
            all_well = False
            name, message = type(error).__name__, str(error)
            answer = {"line": number, "ok": False, "error": name, "message": message}
        # In ASCII, so that every answer can be written, whatever encoding the reader asked for.
        sys.stdout.write(json.dumps(answer, default=plain) + "\n")
        sys.stdout.flush()
    return all_well


def _lines() -> Iterator[tuple[int, bytes]]:
    """Lines as they come, cut just above the limit; blank ones are skipped."""
    import sys

    from worker.core.wiki.files.record import RECORD_BYTES_MAX

    number, stream = 0, sys.stdin.buffer
    while line := stream.readline(RECORD_BYTES_MAX + 1):
        number += 1
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(RECORD_BYTES_MAX)
        if line.strip():
            yield number, line


def _request_in(line: bytes) -> Request:
    """
    Raises:
        ContributionUnusable: the line is too long, no JSON, or no contribution.
    """
    import json

    from worker.core.wiki.files.record import RECORD_BYTES_MAX
    from worker.services.wiki.contribute import ContributionUnusable, request_from

    if len(line) > RECORD_BYTES_MAX:
        raise ContributionUnusable(f"The line is longer than {RECORD_BYTES_MAX} bytes.")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ContributionUnusable(f"The line is no JSON ({error}).") from None
    return request_from(values)


def _object(text: str | None) -> Any:
    import json

    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise typer.BadParameter("--metadata must be a JSON object") from None


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
    from worker.cli.console import escaped

    made = recorded.contribution
    factors = (made.base_points, *made.multipliers.values())
    known = " x ".join(f"{value:g}" for value in factors if value is not None)
    of = f" ({known})" if known else ""
    how = "recorded" if recorded.is_new else "was recorded before under this key"
    return escaped(
        f"{made.total_points:,} points{of} for a {made.type} by {made.user_id}; {how} as {made.id}"
    )
