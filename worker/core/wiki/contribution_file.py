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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from worker.core.errors import KontribError, UsageError
from worker.core.identity import canonical_user_id
from worker.core.money import MalformedAmount, exact_decimal
from worker.core.plan.commitment import canonical_json
from worker.core.plan.points import PointRules, total_points
from worker.core.storable import NotStorable, check_storable, storable_text
from worker.core.wiki.files.extended_json import (
    EPOCH,
    NotExtendedJson,
    id_text,
    moment_of,
    plain_number,
    plain_values,
)

MULTIPLIERS = ("quality", "reputation", "demand")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_AS_UTF8 = "save the file as UTF-8, or use `iconv -f WINDOWS-1252 -t UTF-8`"
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


@dataclass(frozen=True, slots=True)
class Stored:
    """The ids of new contributions, and why the database refuses others. The rest was known."""

    added: set[str]
    refused: Mapping[str, str] = field(default_factory=dict)


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
        given_points=plain_number(values.get("total_points")),
    )


def confirms_points(contribution: Contribution) -> bool:
    """Whether the file gives the points of the rules, or none; "15" is 15."""
    given = contribution.given_points
    try:
        return given in (None, "") or exact_decimal(given) == contribution.total_points
    except MalformedAmount:
        return False


def _valued(values: Mapping[str, Any], rules: PointRules) -> tuple[str, int, dict[str, str | None]]:
    """The type, the points, and the multipliers as the record gives them."""
    kind = values.get("type")
    try:
        factors = {name: _factor(values, name) for name in MULTIPLIERS}
        return str(kind), total_points(rules, kind, **factors), factors
    except UsageError as error:
        raise MalformedRecord(str(error)) from None


def _factor(values: Mapping[str, Any], name: str) -> str | None:
    """A multiplier in one form: 0.8, "0.8" and 0.80 are one content, in JSON as in CSV."""
    value = plain_number(values.get(f"{name}_multiplier"))
    try:
        return None if value is None else repr(float(exact_decimal(value)))
    except MalformedAmount as error:
        raise MalformedRecord(f"{name}_multiplier: {error}") from None


def _identifier(values: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """An id as text, in whichever way an export writes an ObjectId."""
    try:
        value = id_text(values.get(name))
    except NotExtendedJson as error:
        raise MalformedRecord(f"{name} {error}") from None
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
        raise MalformedRecord(f"{error}; {_AS_UTF8}") from None


def _metadata(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse metadata that a database cannot keep: it would also stop other contributions."""
    value = values.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedRecord("metadata is not an object")
    try:
        check_storable(value, "metadata")
        return {name: plain_values(inner) for name, inner in value.items()}
    except NotStorable as error:
        raise MalformedRecord(str(error)) from None
    except NotExtendedJson as error:
        raise MalformedRecord(f"metadata {error}") from None


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    """A moment that an ObjectId can have."""
    try:
        moment = moment_of(values.get(name))
    except NotExtendedJson as error:
        raise MalformedRecord(f"{name} {error}") from None
    if (moment - EPOCH) // timedelta(seconds=1) not in _OBJECT_ID_SECONDS:
        raise MalformedRecord(f"{name} is not between 1970 and 2106")
    return moment


def _given_id(values: Mapping[str, Any]) -> str | None:
    if "_id" not in values:
        return None
    given = _identifier(values, "_id")
    return given.lower() if _OBJECT_ID.fullmatch(given) else given


def _made_id(created_at: datetime, content: bytes, occurrences: Occurrences) -> str:
    number = occurrences.count(content)
    digest = hashlib.sha256(b"kontrib/import/%d/" % number + content).digest()
    seconds = (created_at - EPOCH) // timedelta(seconds=1)
    return (seconds.to_bytes(4) + digest[:8]).hex()
