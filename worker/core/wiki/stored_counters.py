"""Reads the counters in the wiki's own documents, in every form in which a wiki may store them.

A number counts, and so does text that is a plain decimal. Any other value cannot be read. It is
named and never overwritten, and its counter is left out of every recount until it is corrected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from worker.core.money import (
    DECIMALS,
    INT64_MAX,
    BaseUnits,
    MalformedAmount,
    exact_decimal,
    rounded_down,
    tokens_float,
)

REPUTATION = "reputation_score"
REPUTATION_WRITTEN = "kontrib_reputation_score"
"""The field with the score that this system has written. Any other score is the wiki's own."""
NOT_RECOUNTED = "kontrib_not_recounted"
"""The field with the names of the counters that are still as the wiki wrote them."""
OPENING_TOKENS = "opening_total_tokens_earned_base_units"
"""Every document with opening balances has this field; null if the balance is unknown."""

EARNED = "total_tokens_earned"
TOKENS = (EARNED, "staked_tokens", "governance_power")
COUNTS = ("total_contributions", "total_points", "contribution_count")
DATES = ("last_reward_claim", "token_updated_at", "last_contribution_date")
USER_COUNTERS = (*COUNTS[:2], *TOKENS, *DATES[:2])
ARTICLE_COUNTERS = (COUNTS[2], EARNED, DATES[2])
_COUNTERS = (*COUNTS, *TOKENS, *DATES, REPUTATION)
_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")


def counted_tokens(value: object) -> BaseUnits | None:
    """Tokens in base units, the rest rounded down; None if the value cannot be read."""
    try:
        return rounded_down(_number(value))
    except MalformedAmount:
        return None


def counted_whole(value: object) -> int | None:
    """A count, rounded up, so that nothing of it is lost; None if the value cannot be read."""
    try:
        number = exact_decimal(_number(value))
    except MalformedAmount:
        return None
    return math.ceil(number) if 0 <= number <= INT64_MAX else None


def _number(value: object) -> object:
    """Text that is a plain decimal as a number; other text as something that is no number."""
    if not isinstance(value, str):
        return value
    return Decimal(value) if _PLAIN.fullmatch(value) else None


def unreadable(document: Mapping[str, object]) -> dict[str, object]:
    """The fields of counters that cannot be read, twins and opening balances included."""
    return {
        name: value
        for counter in _COUNTERS
        for name in fields_of(counter)
        if (value := document.get(name)) is not None and not _is_readable(name, value)
    }


def frozen(document: Mapping[str, object]) -> frozenset[str]:
    """The fields that no recount may write: all fields of a counter that cannot be read."""
    if not (wrong := set(unreadable(document))):
        return frozenset()
    counters = {each for each in _COUNTERS if wrong.intersection(fields_of(each))}
    if EARNED in counters:
        counters.add("governance_power")  # it follows from the earned tokens
    return frozenset(name for each in counters for name in fields_of(each))


def not_recounted(document: Mapping[str, object]) -> frozenset[str]:
    """The counters that no recount has written yet."""
    if OPENING_TOKENS not in document:
        return frozenset(_COUNTERS)
    listed = document.get(NOT_RECOUNTED)
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


def has_own_reputation(document: Mapping[str, object]) -> bool:
    """Whether the stored reputation score is the wiki's own: this system has not written it."""
    score = document.get(REPUTATION)
    return score is not None and score != document.get(REPUTATION_WRITTEN)


def as_counted(document: Mapping[str, object]) -> dict[str, object]:
    """The document with its readable counters as a recount would write the same numbers."""
    read = dict(document)
    for name in COUNTS:
        if (whole := counted_whole(document.get(name))) is not None:
            read[name] = whole
    for name in TOKENS:
        if (tokens := counted_tokens(document.get(name))) is not None:
            read[name] = tokens_float(tokens)
        if (exact := counted_whole(document.get(f"{name}_base_units"))) is not None:
            read[f"{name}_base_units"] = exact
    return read


def fields_of(counter: str) -> tuple[str, ...]:
    """A counter's field, its exact twin and its opening balance."""
    if counter in DATES or counter == REPUTATION:
        return (counter,)
    if counter == EARNED:
        return (counter, f"{counter}_base_units", OPENING_TOKENS)
    if counter in TOKENS:
        return (counter, f"{counter}_base_units")
    return (counter, f"opening_{counter}")


def _is_readable(name: str, value: object) -> bool:
    if name in DATES:
        return isinstance(value, datetime)
    if isinstance(value, int | float) and not isinstance(value, bool):
        most = INT64_MAX // 10**DECIMALS if name in TOKENS else INT64_MAX
        return 0 <= value <= most
    read = counted_tokens if name in TOKENS else counted_whole
    return read(value) is not None
