"""Checks that a database can keep text and JSON from outside.

The check comes before the first write: a bad value would fail in the middle of the work.
"""

from __future__ import annotations

from worker.core.errors import KontribError
from worker.core.money import INT64_MAX

NESTED_MAX = 20


class NotStorable(KontribError):
    """No database can keep the value. The message is the reason alone."""


def storable_text(text: str, name: str) -> str:
    """Return the text unchanged.

    Raises:
        NotStorable: the text is not UTF-8.
    """
    if not is_storable_text(text):
        raise NotStorable(f"{name} is not UTF-8")
    return text


def is_storable_text(text: str) -> bool:
    """Whether a database can keep the text. Bytes that are not UTF-8 become lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_storable(value: object, name: str, depth: int = NESTED_MAX) -> None:
    """Check a value from JSON, and everything inside it.

    Raises:
        NotStorable: a text is not UTF-8, a number is too large, or the nesting is too deep.
    """
    if depth == 0:
        raise NotStorable(f"{name} is nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            if "\0" in storable_text(key, name):
                raise NotStorable(f"{name} has a field name with a zero byte")
            check_storable(inner, name, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            check_storable(inner, name, depth - 1)
    elif isinstance(value, str):
        storable_text(value, name)
    elif isinstance(value, int) and abs(value) > INT64_MAX:
        raise NotStorable(f"{name} has a number beyond 64 bits")
