"""Arguments and options that several commands share."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

import typer

from worker.cli.session import Session
from worker.core.storable import is_storable_text
from worker.core.week import MalformedWeek, Week


def session_of(context: typer.Context) -> Session:
    """The session of this run."""
    return cast(Session, context.obj)


def read_object(option: str, text: str | None) -> dict[str, Any] | None:
    """The JSON object in an option's text; None without the option.

    Raises:
        typer.BadParameter: the text is not a JSON object.
    """
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{option} must be a JSON object")
    return found


def read_week(text: str) -> Week:
    """
    Raises:
        typer.BadParameter: the text is not a week; the message shows how to write one.
    """
    try:
        return Week.parse(text)
    except MalformedWeek as error:
        raise typer.BadParameter(str(error)) from None


def read_text(text: str) -> str:
    """
    Raises:
        typer.BadParameter: the text is not UTF-8, which every stored text must be.
    """
    if not is_storable_text(text):
        raise typer.BadParameter(f"{text!a} is not UTF-8")
    return text


_WEEK_HELP = "The week as 2024-W50, or as its Monday 2024-12-09."
WeekArgument = Annotated[
    Week, typer.Argument(parser=read_week, metavar="WEEK", help=_WEEK_HELP, show_default=False)
]
OptionalWeek = Annotated[
    Week | None,
    typer.Argument(parser=read_week, metavar="[WEEK]", help=_WEEK_HELP, show_default=False),
]
EXAMPLE_USER = "507f1f77bcf86cd799439011"
UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="The user's id in the wiki.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")]
Inline = Annotated[
    bool, typer.Option("--inline", help="Do the work in this process, without a broker.")
]
