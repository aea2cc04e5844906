"""Amounts in the wiki's documents, and documents that may be unreadable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from bson import Int64

from worker.adapters.mongo.connection import Document
from worker.core.errors import KontribError
from worker.core.money import BaseUnits, rounded_down, tokens_float

Read = TypeVar("Read")

_log = logging.getLogger(__name__)


def amount_fields(**amounts: int) -> Document:
    """The owner's floats of tokens, each beside the exact integer of base units."""
    floats = {name: tokens_float(amount) for name, amount in amounts.items()}
    return floats | {f"{name}_base_units": Int64(amount) for name, amount in amounts.items()}


def stored_amount(document: Document, name: str) -> BaseUnits:
    """The exact field; without one, the owner's float, rounded down."""
    exact = document.get(f"{name}_base_units")
    return rounded_down(document.get(name, 0)) if exact is None else BaseUnits(int(exact))


def read_or_leave_out(
    what: str, read: Callable[[Document], Read], document: Document
) -> Read | None:
    """The record in a document; None, and a warning in the log, if the document is unreadable."""
    try:
        return read(document)
    except (KontribError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        _log.warning("%s %s is left out: %s", what, document.get("_id"), why)
        return None


def typed(document: Document, name: str, kind: type[Read]) -> Read:
    """
    Raises:
        TypeError: the field has another type.
    """
    if not isinstance(value := document[name], kind):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return value
