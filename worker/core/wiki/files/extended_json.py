"""MongoDB's extended JSON as `mongoexport` writes it: canonical, relaxed, and the legacy modes.

Numbers become plain numbers, and dates get one form, so that one contribution is the same in every
mode. Other types stay as they are; the database adapter knows them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.core.errors import KontribError
from worker.core.money import INT64_MAX

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE, _FLOAT, _DECIMAL = ("$numberInt", "$numberLong"), "$numberDouble", "$numberDecimal"
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")
_WRITTEN_ID = re.compile(r"""ObjectI[dD]\(\s*["']?([0-9a-fA-F]{24})["']?\s*\)""")
_WRITTEN_DATE = re.compile(r"""(?:ISODate|new Date)\(\s*["']?([^"')]+)["']?\s*\)""")
_PLAIN = re.compile(r"-?[0-9.]+([eE][+-]?[0-9]+)?|-?Infinity|NaN")
_MILLISECONDS = re.compile(r"[0-9]{9,}")


class NotExtendedJson(KontribError):
    """A value that claims a type and is none. The message is the reason alone."""


def plain_number(value: object) -> object:
    """A number as JSON has it, where extended JSON wraps it; every other value unchanged."""
    if isinstance(value, dict) and len(value) == 1:
        for name in (*_WHOLE, _FLOAT, _DECIMAL):
            if isinstance(inner := value.get(name), str | int | float):
                return inner
    return value


def id_text(value: object) -> object:
    """An ObjectId as its 24 hex characters, in every way to write it; other values unchanged.

    Raises:
        NotExtendedJson: it is written as an ObjectId and is none.
    """
    if isinstance(value, dict) and value.keys() == {"$oid"}:
        written = value["$oid"]
        if isinstance(written, str) and _HEX_ID.fullmatch(written):
            return written.lower()
        raise NotExtendedJson("is no ObjectId")
    if isinstance(value, str) and value.startswith(("ObjectId(", "ObjectID(")):
        if (found := _WRITTEN_ID.fullmatch(value.strip())) is None:
            raise NotExtendedJson("is no ObjectId")
        return found[1].lower()
    return value


def moment_of(value: object) -> datetime:
    """A moment in UTC, to the millisecond, as a database keeps it. Without an offset it is UTC.

    Raises:
        NotExtendedJson: it is no date.
    """
    try:
        moment = _date_of(value) if isinstance(value, dict) else _read_moment(value)
    except (ValueError, TypeError, OverflowError):
        raise NotExtendedJson("is not a date; write it as 2024-12-09T10:00:00Z") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def plain_values(value: Any) -> Any:
    """A value with everything inside of it: numbers plain, dates as `{"$date": "...Z"}`.

    Raises:
        NotExtendedJson: with the reason.
    """
    if isinstance(value, list):
        return [plain_values(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$date"}:
        moment = moment_of(value).replace(tzinfo=None)
        return {"$date": moment.isoformat(timespec="milliseconds") + "Z"}
    if value.keys() == {"$oid"}:
        return {"$oid": id_text(value)}
    number = plain_number(value)
    if number is not value and _DECIMAL not in value:
        return _number(next(iter(value)), number)
    return {name: plain_values(inner) for name, inner in value.items()}


def _number(kind: str, written: Any) -> int | float:
    try:
        number = float(_plain(written)) if kind == _FLOAT else int(_plain(written))
    except (ValueError, OverflowError):
        raise NotExtendedJson(f"has a {kind} that is no number") from None
    if isinstance(number, int) and abs(number) > INT64_MAX:
        raise NotExtendedJson("has a number beyond 64 bits")
    return number


def _plain(written: Any) -> Any:
    """The same, unless it is text that only Python reads as a number: `1_0`, ` 10`, `+10`.

    Raises:
        ValueError: it is.
    """
    if isinstance(written, str) and not _PLAIN.fullmatch(written):
        raise ValueError(written)
    return written


def _date_of(value: dict[str, Any]) -> datetime:
    if value.keys() != {"$date"}:
        raise TypeError
    if isinstance(inner := value["$date"], str):
        return _read_moment(inner)
    milliseconds: Any = plain_number(inner)
    if isinstance(milliseconds, bool):
        raise TypeError
    return EPOCH + timedelta(milliseconds=int(_plain(milliseconds)))


def _read_moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError
    written = _WRITTEN_DATE.fullmatch(value.strip())
    text = (written[1] if written else value).strip()
    if _MILLISECONDS.fullmatch(text):  # they would be read as a date without separators
        raise ValueError
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
