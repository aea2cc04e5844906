"""The opening balances of one document: as they are stored, or as they are derived."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bson import Int64

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.names import ARTICLE_OPENINGS, USER_OPENINGS
from worker.core.money import BaseUnits, tokens_float
from worker.core.wiki.counters import ArticleActivity, UserActivity
from worker.core.wiki.stored_counters import (
    ARTICLE_COUNTERS,
    EARNED,
    NOT_RECOUNTED,
    OPENING_TOKENS,
    REPUTATION,
    REPUTATION_WRITTEN,
    TOKENS,
    USER_COUNTERS,
    counted_tokens,
    counted_whole,
    fields_of,
    frozen,
    not_recounted,
    unreadable,
)

OPENINGS = {names.USERS: USER_OPENINGS, names.ARTICLES: ARTICLE_OPENINGS}
COUNTERS = {names.USERS: USER_COUNTERS, names.ARTICLES: ARTICLE_COUNTERS}
FIELDS: dict[str, tuple[str, ...]] = {
    collection: (*(f for each in counters for f in fields_of(each)), OPENING_TOKENS, NOT_RECOUNTED)
    for collection, counters in COUNTERS.items()
}
"""Every field by which a document's counters are read."""
FIELDS[names.USERS] += (REPUTATION, REPUTATION_WRITTEN)


@dataclass(frozen=True, slots=True)
class Opening:
    """The opening balances of a user or article. Tokens in base units."""

    tokens: int = 0
    count: int = 0
    """Contributions."""
    points: int = 0


def user_opening(document: Mapping[str, object], activity: UserActivity, historic: int) -> Opening:
    """A user's balances: as they are stored, or as they are derived where none is.

    `historic`: base units of completed rewards of another system.
    """
    tokens, count, points = (counted_whole(document.get(name)) for name in USER_OPENINGS)
    contributions = counted_whole(document.get("total_contributions")) or 0
    all_points = counted_whole(document.get("total_points")) or 0
    return Opening(
        max(0, _unexplained_tokens(document) - historic) if tokens is None else tokens,
        max(0, contributions - activity.contributions) if count is None else count,
        max(0, all_points - activity.points) if points is None else points,
    )


def article_opening(document: Mapping[str, object], activity: ArticleActivity) -> Opening:
    """The same of an article. No document of another system says what an article has earned."""
    tokens, count = (counted_whole(document.get(name)) for name in ARTICLE_OPENINGS)
    counted = counted_whole(document.get("contribution_count")) or 0
    return Opening(
        _unexplained_tokens(document) if tokens is None else tokens,
        max(0, counted - activity.contributions) if count is None else count,
    )


def _unexplained_tokens(document: Mapping[str, object]) -> int:
    """The wiki's own number of earned tokens. A float that equals its exact twin is computed."""
    earned, exact = document.get(EARNED), document.get(f"{EARNED}_base_units")
    if isinstance(exact, int) and tokens_float(exact) == earned:
        return 0
    return counted_tokens(earned) or 0


def lacks_opening(collection: str, document: Mapping[str, object]) -> bool:
    """Whether a balance is missing that can be derived."""
    return bool(opening_fields(collection, document, Opening()))


def opening_fields(
    collection: str,
    document: Mapping[str, object],
    opening: Opening,
    counting: Collection[str] = (),
) -> Document:
    """The balances that are missing, and exact twins of the wiki's floats.

    `counting`: counters that the same call writes right after.
    """
    is_first = OPENING_TOKENS not in document
    if not is_first and all(document.get(name) is not None for name in OPENINGS[collection]):
        return {}
    kept, wrong = frozen(document), unreadable(document)
    balances = (opening.tokens, opening.count, opening.points)
    fields: Document = {
        name: None if name in kept else Int64(value)
        for name, value in zip(OPENINGS[collection], balances, strict=False)
        if document.get(name) is None and (is_first or name not in kept)
    }
    for name in TOKENS if is_first else [EARNED] if OPENING_TOKENS in fields else []:
        tokens, twin = counted_tokens(document.get(name)), f"{name}_base_units"
        if tokens is not None and twin not in wrong:
            fields[twin] = Int64(tokens)
    if is_first:
        listed = [each for each in COUNTERS[collection] if each not in counting or each in kept]
        fields[NOT_RECOUNTED] = listed
    return fields


def wikis_balances(document: Mapping[str, object]) -> dict[str, BaseUnits]:
    """Staked tokens and voting power that the wiki wrote, and the next recount computes."""
    counted = not_recounted(document) - frozen(document)
    found = {name: counted_tokens(document.get(name)) for name in TOKENS[1:] if name in counted}
    return {name: amount for name, amount in found.items() if amount}
