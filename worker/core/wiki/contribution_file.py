"""Makes contributions from records: checks them, computes their points and gives them ids.

A record without an `_id` gets an id that depends on its content alone. The id holds the seconds of
`created_at`, so that the contribution belongs to its own week. It also holds a hash of the content
and of the number of earlier equal records. So equal records stay separate, and a second import of
the file gives the same ids.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from worker.core.errors import KontribError, UsageError
from worker.core.identity import canonical_user_id
from worker.core.money import exact_decimal
from worker.core.plan.commitment import canonical_json
from worker.core.plan.points import PointRules, total_points
from worker.core.storable import NotStorable, check_storable, storable_text

MULTIPLIERS = ("quality", "reputation", "demand")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OBJECT_ID_SECONDS = range(2**32)


class MalformedRecord(KontribError):
    """One record cannot be imported; the message is the reason alone."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One contribution, ready to be stored."""

    id: str
    """24 hex characters for an ObjectId, else any text."""
    user_id: str
    article_id: str
    """Empty where there is none."""
    type: str
    base_points: int | None
    """None if the wiki recorded the contribution itself and left the field out."""
    multipliers: Mapping[str, float]
    """Quality, reputation and demand, clamped to their ranges: the factors of the points."""
    total_points: int
    description: str
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    given_points: object
    """The points that the file gives. The stored points are always computed."""


class Occurrences:
    """Counts equal contents. It remembers eight bytes of each content."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._repeated: dict[bytes, int] = {}

    def count(self, content: bytes) -> int:
        """Return the number of earlier equal contents, and count this one."""
        digest = hashlib.sha256(content).digest()[:8]
        if digest not in self._seen:
            self._seen.add(digest)
            return 0
        self._repeated[digest] = self._repeated.get(digest, 0) + 1
        return self._repeated[digest]


def contribution_from(
    values: Mapping[str, Any], rules: PointRules, occurrences: Occurrences
) -> Contribution:
    """Check a record and compute its points.

    Raises:
        MalformedRecord: with the reason.
    """
    kind, points, factors = _valued(values, rules)
    content: dict[str, Any] = {
        "user_id": canonical_user_id(_identifier(values, "user_id")),
        "article_id": _identifier(values, "article_id", required=False),
        "type": kind,
        "description": _text(values, "description"),
        "metadata": _metadata(values),
    }
    created_at = _moment(values, "created_at")
    made_of = content | factors | {"created_at": created_at.isoformat()}
    return Contribution(
        **content,
        id=_given_id(values) or _made_id(created_at, canonical_json(made_of), occurrences),
        base_points=rules.base(kind),
        multipliers={
            name: float(getattr(rules, name).clamp(value and Decimal(value)))
            for name, value in factors.items()
        },
        total_points=points,
        created_at=created_at,
        updated_at=_moment(values, "updated_at") if values.get("updated_at") else created_at,
        given_points=values.get("total_points"),
    )


def _valued(values: Mapping[str, Any], rules: PointRules) -> tuple[str, int, dict[str, str | None]]:
    """The type, the points, and the multipliers as the record gives them."""
    kind = values.get("type")
    try:
        factors = {name: _factor(values, name) for name in MULTIPLIERS}
        return str(kind), total_points(rules, kind, **factors), factors
    except UsageError as error:
        raise MalformedRecord(str(error)) from None


def _factor(values: Mapping[str, Any], name: str) -> str | None:
    """A multiplier in one form, since 0.8, "0.8" and 0.80 are the same content in JSON and CSV."""
    value = values.get(f"{name}_multiplier")
    if isinstance(value, dict):
        value = value.get("$numberDecimal", value.get("$numberDouble", value))
    return None if value is None else repr(float(exact_decimal(value)))


def _identifier(values: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """An id as text. Exports write an ObjectId as `{"$oid": ...}`."""
    value = values.get(name)
    if isinstance(value, dict):
        value = value.get("$oid")
    if value in (None, "") and not required:
        return ""
    if not isinstance(value, str) or not value:
        raise MalformedRecord(f"no {name}" if value in (None, "") else f"{name} is not text")
    return _storable(value, name)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str | None):
        raise MalformedRecord(f"{name} is not text")
    return _storable(value or "", name)


def _storable(text: str, name: str) -> str:
    """Text that a database can keep."""
    try:
        return storable_text(text, name)
    except NotStorable as error:
        raise MalformedRecord(str(error)) from None


def _metadata(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse metadata that a database cannot keep: it would also stop other contributions."""
    value = values.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedRecord("metadata is not an object")
    try:
        check_storable(value, "metadata")
    except NotStorable as error:
        raise MalformedRecord(str(error)) from None
    return value


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    """A moment in UTC, in milliseconds as in the database.

    A time without an offset counts as UTC.
    """
    value = values.get(name)
    if isinstance(value, dict):
        value = value.get("$date")
    try:
        moment = _read_moment(value)
    except (ValueError, TypeError, OverflowError):
        raise MalformedRecord(f"{name} is not a date") from None
    if (moment - _EPOCH) // timedelta(seconds=1) not in _OBJECT_ID_SECONDS:
        raise MalformedRecord(f"{name} is not between 1970 and 2106")
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _read_moment(value: object) -> datetime:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if isinstance(value, dict) and "$numberLong" in value:
        return _EPOCH + timedelta(milliseconds=int(value["$numberLong"]))
    raise TypeError


def _given_id(values: Mapping[str, Any]) -> str | None:
    if "_id" not in values:
        return None
    given = _identifier(values, "_id")
    return given.lower() if _OBJECT_ID.fullmatch(given) else given


def _made_id(created_at: datetime, content: bytes, occurrences: Occurrences) -> str:
    number = occurrences.count(content)
    digest = hashlib.sha256(b"kontrib/import/%d/" % number + content).digest()
    seconds = (created_at - _EPOCH) // timedelta(seconds=1)
    return (seconds.to_bytes(4) + digest[:8]).hex()
