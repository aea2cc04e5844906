"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, cast

import typer

from worker.cli.session import Session
from worker.core.money import INT64_MAX, MalformedAmount
from worker.core.storable import is_storable_text
from worker.core.week import MalformedWeek, Week
from worker.core.wiki.files.strict_json import MalformedJson, read_json

_PLAIN_DECIMAL = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?")
_ROOT = re.compile(r"[0-9a-fA-F]{64}")
_WHOLE = re.compile(r"[0-9]{1,19}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SIGNATURE_BYTES, _SIGNATURE_CHARACTERS_MAX = 64, 88


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
        found = read_json(text)
    except MalformedJson as error:
        raise typer.BadParameter(f"{option} must be a JSON object ({error})") from None
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


def read_root(text: str) -> bytes:
    """
    Raises:
        typer.BadParameter: the text is not the root of a plan.
    """
    if not _ROOT.fullmatch(text.strip()):
        raise typer.BadParameter(f"{text[:80]!a} is not a root: 64 digits from 0 to f")
    return bytes.fromhex(text.strip())


def read_text(text: str) -> str:
    """
    Raises:
        typer.BadParameter: the text is not UTF-8, which every stored text must be.
    """
    if not is_storable_text(text):
        raise typer.BadParameter(f"{text!a} is not UTF-8")
    return text


def read_amount(text: str) -> str:
    """A number in plain digits. Text that is no number is left to the command, which names it.

    Raises:
        MalformedAmount: a sign, an exponent, a separator, or digits of another script.
    """
    try:
        Decimal(text)
    except InvalidOperation:
        return read_text(text)
    if not _PLAIN_DECIMAL.fullmatch(text):
        raise MalformedAmount(text, "not written in the digits 0 to 9 and a point")
    return text


def whole_number(lowest: int = 0, highest: int = INT64_MAX) -> Callable[[object], int]:
    """The parser of every option that is a whole number, in the digits 0 to 9.

    It raises `typer.BadParameter` for any other text, and for a number out of the range. Python's
    `int` would take `1_0`, `+5` and the digits of other scripts.
    """

    def read_whole(given: object) -> int:
        number = int(text) if _WHOLE.fullmatch(text := str(given)) else None
        if number is None or not lowest <= number <= highest:
            raise typer.BadParameter(f"{text!a} is not a whole number from {lowest} to {highest}")
        return number

    return read_whole


def read_signature(text: str) -> str | None:
    """The signature of a transaction; None for the empty variable of a script.

    Raises:
        typer.BadParameter: the text is not 64 bytes in base58.
    """
    signature = read_text(text).strip()
    if signature and not _is_signature(signature):
        raise typer.BadParameter(
            f"{signature!a} is no transaction's signature: 64 bytes in base58, 87 or 88 characters"
        )
    return signature or None


def _is_signature(text: str) -> bool:
    if len(text) > _SIGNATURE_CHARACTERS_MAX or not set(text) <= set(_BASE58):
        return False
    number = 0
    for character in text:
        number = number * len(_BASE58) + _BASE58.index(character)
    zero_bytes = len(text) - len(text.lstrip(_BASE58[0]))
    return zero_bytes + (number.bit_length() + 7) // 8 == _SIGNATURE_BYTES


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
