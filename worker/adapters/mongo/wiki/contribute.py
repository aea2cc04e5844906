"""Contributions that the wiki records one at a time. Each idempotency key is recorded once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, WriteError

from worker.adapters.mongo import names
from worker.adapters.mongo.base import MongoPart, stored_forms
from worker.adapters.mongo.connection import Document
from worker.adapters.mongo.wiki.ingest import DocumentRefused, contribution_document
from worker.core.identity import canonical_user_id
from worker.core.wiki.contribution_file import MULTIPLIERS, Contribution

KEY = "idempotency_key"


class MongoContributions(MongoPart):
    """Implements `worker.ports.wiki.ContributionStore`."""

    def article_demand(self, article_id: str) -> tuple[bool, object]:
        articles = self.database[names.ARTICLES]
        found = articles.find_one({"_id": {"$in": stored_forms(article_id)}}, {"demand_score": 1})
        return (False, None) if found is None else (True, found.get("demand_score"))

    def contribution_of_key(self, key: str) -> Contribution | None:
        document = self.contributions.find_one({KEY: key})
        return None if document is None else contribution_of(document)

    def record(self, contribution: Contribution, key: str | None) -> tuple[Contribution, bool]:
        recorded = replace(contribution, id=str(fresh_id(contribution.created_at)))
        try:
            self.contributions.insert_one(keyed_document(recorded, key))
        except DuplicateKeyError as error:
            known = None if key is None else self.contribution_of_key(key)
            if known is None:
                raise _refused(error) from None
            return known, False
        except WriteError as error:
            raise _refused(error) from None
        return recorded, True


def _refused(error: WriteError) -> DocumentRefused:
    why = (error.details or {}).get("errmsg", error)
    return DocumentRefused("the contribution", str(why))


def fresh_id(moment: datetime) -> ObjectId:
    """A new ObjectId with this moment as its time of generation.

    The time decides which week's plan counts the contribution. The driver makes the other bytes.
    """
    return ObjectId(int(moment.timestamp()).to_bytes(4) + ObjectId().binary[4:])


def keyed_document(contribution: Contribution, key: str | None) -> Document:
    """The document of a contribution with its key. Without a key the field is missing, because the
    sparse unique index would let a second null collide with the first."""
    document = contribution_document(contribution)
    return document if key is None else document | {KEY: key}


def contribution_of(document: Document) -> Contribution:
    """The contribution in a document. A document of the wiki may lack our fields."""
    base_points = _number(document, "base_points")
    factors = {name: _number(document, f"{name}_multiplier") for name in MULTIPLIERS}
    created_at: Any = document.get("created_at")
    return Contribution(
        id=str(document["_id"]),
        user_id=canonical_user_id(str(document.get("user_id") or "")),
        article_id=canonical_user_id(str(document.get("article_id") or "")),
        type=str(document.get("type") or ""),
        base_points=None if base_points is None else int(base_points),
        multipliers={name: float(value) for name, value in factors.items() if value is not None},
        total_points=int(_number(document, "total_points") or 0),
        description=document.get("description") or "",
        metadata=document.get("metadata") or {},
        created_at=created_at,
        updated_at=document.get("updated_at", created_at),
        given_points=None,
    )


def _number(document: Document, name: str) -> int | float | Decimal | None:
    """The number; None if it is missing or of another type. Counters skip it, too."""
    value = document.get(name)
    is_number = (
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) and isfinite(value)
    )
    return value if is_number else None
