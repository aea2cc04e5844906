"""Conditions on the fields of users, with the meaning that MongoDB gives to `$in` and `$nin`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_field
from datetime import datetime
from decimal import Decimal

from worker.core.errors import UsageError

_OPERATORS = {"in": False, "not_in": True}
_NAMED = {"nin": "not_in", "$nin": "not_in", "$in": "in", "notIn": "not_in"}
_PLAIN = (str, int, float, Decimal, bytes, datetime, type(None))
_NESTED_MAX = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """A user qualifies if their field is (or is not) one of the values.

    A field that is an array has each of its elements as a value, and itself. A missing field is
    null. Numbers are equal whatever their type, and `true` is no number.
    """

    field: str
    """A name, or names with dots between them. They lead through arrays as in MongoDB."""
    values: tuple[object, ...]
    negated: bool
    _wanted: frozenset[object] = made_field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wanted", frozenset(map(_comparable, self.values)))

    @property
    def top_field(self) -> str:
        """The field of the user's document that the condition reads."""
        return self.field.split(".")[0]

    def holds(self, fields: Mapping[str, object]) -> bool:
        """Whether a user's document, or its fields that the condition reads, meets it."""
        found = _values_at(fields, self.field.split("."))
        is_one = any(_comparable(value) in self._wanted for value in found)
        return is_one != self.negated

    def as_document(self) -> dict[str, object]:
        name = "not_in" if self.negated else "in"
        return {"field": self.field, name: list(map(str, self.values))}


def conditions_from(entries: object) -> tuple[Condition, ...]:
    """The conditions that `eligibility` lists. An entry with `in` and `not_in` is two of them.

    Raises:
        UsageError: names what is wrong.
    """
    if not isinstance(entries, list):
        raise UsageError(f"{entries!r} is not a list of conditions")
    return tuple(c for number, entry in enumerate(entries, 1) for c in _conditions(number, entry))


def _conditions(number: int, entry: object) -> Iterator[Condition]:
    where = f"condition {number}"
    if not isinstance(entry, Mapping):
        raise UsageError(f"{where}, {entry!r}, is not a document with a field and its values")
    for key in entry:
        if key != "field" and key not in _OPERATORS:
            better = (
                f", write {_NAMED[key]!r}" if key in _NAMED else ": known are 'in' and 'not_in'"
            )
            raise UsageError(f"{where} has the unknown operator {key!r}{better}")
    name, used = _field_name(where, entry.get("field")), [key for key in entry if key != "field"]
    if not used:
        raise UsageError(f"{where} on {name!r} has neither 'in' nor 'not_in'")
    for key in _OPERATORS:
        if key in used:
            yield Condition(name, _values(f"{where} on {name!r}", entry[key]), _OPERATORS[key])


def _field_name(where: str, name: object) -> str:
    parts = name.split(".") if isinstance(name, str) else []
    if not parts or not all(parts) or any(p.startswith("$") or "\0" in p for p in parts):
        raise UsageError(f"{where} names the field {name!r}, which no document can have")
    return str(name)


def _values(where: str, values: object) -> tuple[object, ...]:
    if not isinstance(values, list):
        raise UsageError(f"{where}: {values!r} is not a list of values")
    for value in values:
        _check_value(where, value, _NESTED_MAX)
    return tuple(values)


def _check_value(where: str, value: object, depth: int) -> None:
    if depth == 0:
        raise UsageError(f"{where} has a value that is nested too deeply")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).startswith("$"):
                raise UsageError(f"{where}: {key!r} inside a value is an operator, not a value")
            _check_value(where, inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_value(where, inner, depth - 1)
    elif not isinstance(value, _PLAIN) and not _is_other_value(value):
        raise UsageError(f"{where}: a {type(value).__name__} is no value to compare with")


def _is_other_value(value: object) -> bool:
    """Types of the database that this module does not know, but can compare: ids and decimals."""
    return hasattr(value, "to_decimal") or hasattr(value, "generation_time")


# --- the meaning of a field's name -------------------------------------------------------------


def _values_at(document: Mapping[str, object], path: Sequence[str]) -> Iterator[object]:
    """The values that a dotted name has in a document; None where it has none."""
    name, rest = path[0], path[1:]
    value = document.get(name)
    if isinstance(value, list):
        yield from _values_in(value, rest)
    elif not rest:
        yield value
    elif isinstance(value, Mapping):
        yield from _values_at(value, rest)
    else:
        yield None


def _values_in(array: Sequence[object], path: Sequence[str]) -> Iterator[object]:
    """A name leads into the documents of an array, and a number to one of its elements."""
    if not path:
        yield from array
        yield array
        return
    for position, element in enumerate(array):
        if isinstance(element, Mapping):
            yield from _values_at(element, path)
        if path[0] == str(position):
            yield from _values_at({"": element}, ["", *path[1:]])


def _comparable(value: object) -> object:
    """A key that is equal for values that MongoDB takes as equal."""
    to_decimal = getattr(value, "to_decimal", None)
    if to_decimal is not None:
        value = to_decimal()
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, int | float | Decimal):
        number = Decimal(value)
        return ("number", None if number.is_nan() else number)
    if isinstance(value, Mapping):
        return ("document", tuple((key, _comparable(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(_comparable, value)))
    if isinstance(value, datetime):
        return ("date", value.timestamp())
    return (type(value).__name__, repr(value))
