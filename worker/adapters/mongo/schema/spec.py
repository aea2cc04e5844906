"""Collections, indexes and validators, as data. docs/schema.md explains each field.

Amounts of money are BSON longs: the server refuses a double or a string in these fields from any
writer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bson import Int64

from worker.adapters.mongo import names
from worker.adapters.mongo.schema.validators import (
    ARTICLE_REWARD,
    CONTRIBUTION,
    DISTRIBUTION,
    HISTORIC_DISTRIBUTION,
    HISTORIC_REWARD,
    OTHER_TRANSACTION,
    PAYOUT,
    PROPOSAL,
    REWARD,
    SNAPSHOT,
    STAKE,
    VOTE,
)
from worker.core.wiki.stored_counters import NOT_RECOUNTED, REPUTATION_WRITTEN

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index, named as MongoDB would name it."""

    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    sparse: bool = False
    partial: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `create_index` besides the keys."""
        options: dict[str, Any] = {"name": self.name}
        if self.unique:
            options["unique"] = True
        if self.sparse:
            options["sparse"] = True
        if self.partial is not None:
            options["partialFilterExpression"] = self.partial
        return options


@dataclass(frozen=True, slots=True)
class Validator:
    """A `$jsonSchema`. `blocks` is false where the wiki writes, which must never be stopped.

    `historic` is the schema of documents without the field `mark`: another system wrote them.
    """

    schema: dict[str, Any]
    blocks: bool = True
    mark: str = ""
    historic: dict[str, Any] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `create` and `collMod`.

        At level `moderate`, an older document that does not fit can still be corrected.
        """
        ours: dict[str, Any] = {"$jsonSchema": self.schema}
        if self.historic is not None:
            # Not by the keyword anyOf: some servers do not know it.
            historic = {"$jsonSchema": self.historic, self.mark: {"$exists": False}}
            ours = {"$or": [ours, historic]}
        return {
            "validator": ours,
            "validationLevel": "moderate",
            "validationAction": "error" if self.blocks else "warn",
        }


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    name: str
    indexes: tuple[IndexSpec, ...] = ()
    validator: Validator | None = None
    added_fields: dict[str, Any] = field(default_factory=dict)
    """Fields that migration sets where they are missing."""
    service_fields: tuple[str, ...] = ()
    """Fields that the services write to documents which may be the wiki's."""
    essential: tuple[str, ...] = ()
    """Fields without which a document means something else than the schema's."""
    wiki_owned: bool = False
    """Whether the collection belongs to the wiki and outlives a rollback."""


def _index(*keys: str, **options: Any) -> IndexSpec:
    """Keys as text; a leading minus is descending."""
    pairs = [(key.removeprefix("-"), -1 if key.startswith("-") else 1) for key in keys]
    return IndexSpec(tuple(pairs), **options)


def _added(schema: dict[str, Any], *names: str) -> tuple[str, ...]:
    """These fields, and the exact twins of the owner's amounts."""
    twins = (name for name in schema["properties"] if name.endswith("_base_units"))
    return (*names, *twins)


CREATED_AT = _index("-created_at")

_DISTRIBUTION_INDEXES = (_index("week_start", unique=True), _index("status"), CREATED_AT)

_PLANNED = {"plan_id": {"$exists": True}}
"""Rewards from before this system have no plan id, and must not collide."""

COLLECTIONS: tuple[CollectionSpec, ...] = (
    CollectionSpec(
        names.USERS,
        indexes=(
            _index("wallet_address", unique=True, sparse=True),
            _index("-reputation_score"),
            _index("-total_points"),
            _index(names.ACCOUNT_MADE_AT, sparse=True),
        ),
        added_fields={
            "reputation_score": 1.0,
            "total_contributions": 0,
            "total_points": 0,
            "total_tokens_earned": 0.0,
            "total_tokens_earned_base_units": Int64(0),
            "staked_tokens": 0.0,
            "staked_tokens_base_units": Int64(0),
            "governance_power": 0.0,
            "governance_power_base_units": Int64(0),
            "last_reward_claim": None,
            "token_updated_at": None,
        },
        service_fields=(
            names.WALLET,
            names.ACCOUNT_MADE_AT,
            names.ACCOUNT_WALLETS,
            *names.USER_OPENINGS,
            NOT_RECOUNTED,
            REPUTATION_WRITTEN,
        ),
        wiki_owned=True,
    ),
    CollectionSpec(
        names.ARTICLES,
        added_fields={
            "demand_score": 1.0,
            "quality_score": 1.0,
            "total_tokens_earned": 0.0,
            "total_tokens_earned_base_units": Int64(0),
            "contribution_count": 0,
            "last_contribution_date": None,
            "token_metadata": {"featured": False, "high_demand": False, "expert_reviewed": False},
        },
        service_fields=(*names.ARTICLE_OPENINGS, NOT_RECOUNTED),
        wiki_owned=True,
    ),
    CollectionSpec(
        names.CONTRIBUTIONS,
        indexes=(
            _index("user_id", "-created_at"),
            _index("article_id", "created_at"),
            _index("type"),
            _index("-total_points"),
            CREATED_AT,
            _index("idempotency_key", unique=True, sparse=True),
        ),
        validator=Validator(CONTRIBUTION, blocks=False),
        service_fields=("idempotency_key",),
        essential=("user_id", "type", "total_points"),
    ),
    CollectionSpec(
        names.TOKEN_REWARDS,
        indexes=(
            _index("user_id", "week_start"),
            _index("weekly_distribution_id"),
            _index("status"),
            CREATED_AT,
            # Small: it has no rewards of this system.
            _index("week_start", partial={"plan_id": None}),
            _index("plan_id", "position", unique=True, partial=_PLANNED),
            _index("plan_id", "user_id", unique=True, partial=_PLANNED),
            # Small indexes over the few rewards that still need work.
            _index("plan_id", "next_attempt_at", partial={"route": names.Route.WAITING.value}),
            _index("plan_id", "needs_account", "position", partial={"needs_account": True}),
        ),
        validator=Validator(REWARD, mark="plan_id", historic=HISTORIC_REWARD),
        essential=("user_id", "week_start", "status"),
    ),
    CollectionSpec(
        names.WEEKLY_DISTRIBUTIONS,
        indexes=(*_DISTRIBUTION_INDEXES, _index("plan_id")),
        validator=Validator(DISTRIBUTION, mark="stage", historic=HISTORIC_DISTRIBUTION),
        service_fields=_added(
            DISTRIBUTION,
            *("week", "plan_id", "stage", "header", "root", "held_root", "notes", "approved"),
            *("attempts", "next_attempt_at", "reason", "stopped", names.ADOPTED),
        ),
        essential=("week_start", "status"),
    ),
    CollectionSpec(
        names.STAKING_RECORDS,
        indexes=(
            _index("user_id", "status"),
            _index("end_date"),
            CREATED_AT,
            # Two simultaneous stakes must not use the same tokens.
            _index("user_id", "number", unique=True, partial={"number": {"$exists": True}}),
            _index("stake_tx_hash"),
            _index("transfer_key", unique=True, sparse=True),
        ),
        validator=Validator(STAKE),
        service_fields=_added(STAKE, "unstaked_at", "accrued_through", "number", "transfer_key"),
        essential=("user_id", "amount"),
    ),
    CollectionSpec(
        names.GOVERNANCE_PROPOSALS,
        indexes=(_index("proposer_id"), _index("status"), _index("voting_end"), CREATED_AT),
        validator=Validator(PROPOSAL),
        service_fields=_added(PROPOSAL),
        essential=("title", "status"),
    ),
    CollectionSpec(names.SYSTEM_CONFIG),
    CollectionSpec(
        names.PAYOUT_BATCHES,
        indexes=(
            _index("plan_id", "id", unique=True),
            _index("plan_id", "status", "index"),
            _index("plan_id", "kind", "index", unique=True),
            _index("plan_id", "reason"),
            _index("week"),
        ),
        validator=Validator(PAYOUT),
        essential=("plan_id", "id"),
    ),
    CollectionSpec(
        names.OTHER_TRANSACTIONS,
        indexes=(_index("week", "_id"),),
        validator=Validator(OTHER_TRANSACTION),
        essential=("week", "kind"),
    ),
    CollectionSpec(
        names.ARTICLE_REWARDS,
        indexes=(_index("week_start", "article_id", unique=True), _index("article_id")),
        validator=Validator(ARTICLE_REWARD),
        essential=("week_start", "article_id"),
    ),
    CollectionSpec(
        names.GOVERNANCE_VOTES,
        indexes=(_index("proposal_id", "user_id", unique=True), _index("user_id")),
        validator=Validator(VOTE),
        essential=("proposal_id", "user_id"),
    ),
    CollectionSpec(
        names.GOVERNANCE_SNAPSHOTS,
        indexes=(_index("proposal_id", "user_id", unique=True),),
        validator=Validator(SNAPSHOT),
        essential=("proposal_id", "user_id"),
    ),
    CollectionSpec(
        names.WEEKLY_DISTRIBUTIONS_ARCHIVE,
        indexes=_DISTRIBUTION_INDEXES,
        validator=Validator(DISTRIBUTION, mark="stage", historic=HISTORIC_DISTRIBUTION),
        essential=("week_start", "status"),
    ),
)
