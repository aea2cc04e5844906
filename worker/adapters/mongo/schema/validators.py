"""`$jsonSchema` validators: the server refuses a bad document from any writer."""

from __future__ import annotations

from enum import Enum
from typing import Any

from worker.adapters.mongo.names import Route
from worker.core.cost import TransactionKind
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.records import PayoutKind
from worker.core.wiki.governance import Choice, ProposalStatus, ProposalType
from worker.core.wiki.stake_record import StakeStatus

Schema = dict[str, Any]

AMOUNT: Schema = {"bsonType": "long", "minimum": 0}
"""Base units (10^-9 KONTRIB) or lamports."""
_COUNT: Schema = {"bsonType": ["int", "long"], "minimum": 0}
_NUMBER: Schema = {"bsonType": ["int", "long", "double", "decimal"], "minimum": 0}
_POINTS: Schema = {"bsonType": ["int", "long", "double"], "minimum": 0}
_TEXT: Schema = {"bsonType": "string"}
_DATE: Schema = {"bsonType": "date"}
_FLAG: Schema = {"bsonType": "bool"}
_DOUBLE: Schema = {"bsonType": "double"}
_BYTES: Schema = {"bsonType": "binData"}
_ID: Schema = {"bsonType": ["string", "objectId"]}
_HEX: Schema = {"bsonType": "string", "pattern": "^[0-9a-f]{64}$"}


def _or_null(schema: Schema) -> Schema:
    """The same type, or null.

    `minimum` and `pattern` check values of their own types only, so null passes.
    """
    kinds = schema["bsonType"]
    return schema | {"bsonType": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _one_of(values: type[Enum]) -> Schema:
    return {"enum": [value.value for value in values]}


def _fields(names: str, schema: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), schema)


def _object(required: str, *kinds: dict[str, Schema], **others: Schema) -> Schema:
    """A document. `required` are names of fields; `kinds` are fields that share a schema."""
    properties = {name: schema for kind in (*kinds, others) for name, schema in kind.items()}
    return {"bsonType": "object", "required": required.split(), "properties": properties}


def _object_or_null(required: str, *kinds: dict[str, Schema], **others: Schema) -> Schema:
    return _object(required, *kinds, **others) | {"bsonType": ["object", "null"]}


CONTRIBUTION: Schema = _object(
    "user_id type total_points created_at",
    _fields("type idempotency_key", _TEXT),
    user_id=_ID,
    total_points=_POINTS,
    created_at=_DATE,
)

REWARD: Schema = _object(
    """user_id weekly_distribution_id week_start week_end total_points token_amount
    staking_multiplier status created_at plan_id position amount_base_units
    staking_multiplier_micros weight user_commitment wallet_address route""",
    _fields("user_id weekly_distribution_id plan_id wallet_address", _TEXT),
    _fields("transaction_signature reason redirected_to operator_hold", _or_null(_TEXT)),
    _fields("week_start week_end created_at", _DATE),
    _fields("claimed_at next_attempt_at", _or_null(_DATE)),
    _fields("total_points amount_base_units weight late_points", AMOUNT),
    _fields("staking_multiplier_micros", AMOUNT),
    _fields("token_amount staking_multiplier", _DOUBLE),
    status=_one_of(Status),
    position=_COUNT,
    batch=_or_null(_COUNT),
    user_commitment=_HEX,
    route=_one_of(Route),
    needs_account=_FLAG,
    slot=_or_null(AMOUNT),
)

HISTORIC_REWARD: Schema = _object(
    "user_id week_start status",
    _fields("total_points token_amount staking_multiplier", _NUMBER),
    user_id=_ID,
    week_start=_DATE,
    status=_one_of(Status),
)
"""A reward of another system, in the owner's shape."""

DISTRIBUTION: Schema = _object(
    """week_start week_end total_points total_tokens point_to_token_ratio user_count status
    created_at stage total_amount_base_units""",
    _fields("week_start week_end created_at", _DATE),
    _fields("started_at completed_at next_attempt_at", _or_null(_DATE)),
    _fields("distribution_tx_hash plan_id reason", _or_null(_TEXT)),
    _fields("total_points total_amount_base_units", AMOUNT),
    _fields("total_tokens point_to_token_ratio", _DOUBLE),
    _fields("user_count attempts", _COUNT),
    _fields("approved stopped", _FLAG),
    _fields("root held_root", _or_null(_HEX)),
    status=_one_of(Status),
    week=_TEXT,
    stage=_one_of(Stage),
    header=_or_null(_BYTES),
    notes={"bsonType": "object"},
)

HISTORIC_DISTRIBUTION: Schema = _object(
    "week_start status",
    _fields("total_points total_tokens point_to_token_ratio user_count", _NUMBER),
    week_start=_DATE,
    status=_one_of(Status),
)
"""A distribution of another system, in the owner's shape."""

_ATTEMPT: Schema = _object_or_null(
    "signature resolution blockhash last_valid_block_height wire created_at",
    _fields("signature blockhash", _TEXT),
    resolution={"enum": [1, 2]},
    last_valid_block_height=AMOUNT,
    wire=_BYTES,
    created_at=_DATE,
)

_LEASE: Schema = _object_or_null("token until", token=_TEXT, until=_DATE)

PAYOUT: Schema = _object(
    "id plan_id week kind index rewards amount_base_units status attempts rows_root",
    _fields("id plan_id week", _TEXT),
    _fields("reason signature wallet operator_hold void_reason", _or_null(_TEXT)),
    _fields("index rewards attempts", _COUNT),
    _fields("slot fee", _or_null(AMOUNT)),
    kind=_one_of(PayoutKind),
    amount_base_units=AMOUNT,
    rows_root=_BYTES,
    status=_one_of(PayoutStatus),
    attempt=_ATTEMPT,
    signatures={"bsonType": "array", "items": _TEXT},
    next_attempt_at=_or_null(_DATE),
    lease=_LEASE,
    verified=_FLAG,
)

OTHER_TRANSACTION: Schema = _object(
    "_id week kind last_valid_block_height fee rent accounts succeeded",
    _fields("_id week", _TEXT),
    _fields("fee rent", _or_null(AMOUNT)),
    kind=_one_of(TransactionKind),
    last_valid_block_height=AMOUNT,
    accounts=_or_null(_COUNT),
    succeeded=_or_null(_FLAG),
)

STAKE: Schema = _object(
    "user_id amount multiplier start_date end_date status",
    _fields("amount rewards_earned", _NUMBER),
    _fields("amount_base_units rewards_earned_base_units", AMOUNT),
    _fields("start_date end_date", _DATE),
    _fields("unstaked_at accrued_through", _or_null(_DATE)),
    user_id=_ID,
    multiplier=_NUMBER | {"minimum": 1},
    status=_one_of(StakeStatus),
    number=_COUNT,
    transfer_key=_TEXT,
)

_TALLIES = "votes_for votes_against votes_abstain total_voting_power"
_VOTED = f"{_TALLIES} quorum_required"
PROPOSAL: Schema = _object(
    "title proposer_id proposal_type status created_at",
    _fields(_VOTED, _NUMBER),
    {f"{name}_base_units": AMOUNT for name in _VOTED.split()},
    {f"opening_{name}_base_units": AMOUNT for name in _TALLIES.split()},
    _fields("voting_start voting_end created_at", _DATE),
    title=_TEXT,
    proposal_type=_one_of(ProposalType),
    parameters={"bsonType": "object"},
    status=_one_of(ProposalStatus),
)

VOTE: Schema = _object(
    "proposal_id user_id choice weight_base_units cast_at",
    _fields("proposal_id user_id", _TEXT),
    _fields("cast_at created_at", _DATE),
    choice=_one_of(Choice),
    weight=_DOUBLE,
    weight_base_units=AMOUNT,
)

SNAPSHOT: Schema = _object(
    "proposal_id user_id power_base_units",
    _fields("proposal_id user_id", _TEXT),
    power=_DOUBLE,
    power_base_units=AMOUNT,
)

ARTICLE_REWARD: Schema = _object(
    "week_start article_id amount_base_units",
    week_start=_DATE,
    article_id=_TEXT,
    token_amount=_DOUBLE,
    amount_base_units=AMOUNT,
)
