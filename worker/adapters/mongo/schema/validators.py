"""`$jsonSchema` validators: what the server refuses, whoever writes it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from worker.adapters.mongo.names import Route
from worker.core.lifecycle import PayoutStatus, Stage, Status
from worker.core.payout.records import PayoutKind
from worker.core.wiki.governance import Choice, ProposalStatus, ProposalType
from worker.core.wiki.stake_record import StakeStatus

Schema = dict[str, Any]

AMOUNT: Schema = {"bsonType": "long", "minimum": 0}
"""Base units (10^-9 KONTRIB) or lamports."""
_COUNT: Schema = {"bsonType": ["int", "long"], "minimum": 0}
_NUMBER: Schema = {"bsonType": ["int", "long", "double"], "minimum": 0}
_TEXT: Schema = {"bsonType": "string"}
_DATE: Schema = {"bsonType": "date"}
_FLAG: Schema = {"bsonType": "bool"}
_HEX_ROOT: Schema = {"bsonType": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}


def _or_null(schema: Schema) -> Schema:
    """The same, or null. A null passes `minimum` and `pattern`, which look at their own types."""
    kinds = schema["bsonType"]
    return schema | {"bsonType": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _one_of(values: type[Enum]) -> Schema:
    return {"enum": [value.value for value in values]}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"bsonType": "object", "required": required, "properties": properties}


CONTRIBUTION: Schema = _object(
    ["user_id", "type", "total_points", "created_at"],
    user_id={"bsonType": ["string", "objectId"]},
    type=_TEXT,
    total_points=_NUMBER,
    created_at=_DATE,
    idempotency_key=_TEXT,
)

REWARD: Schema = _object(
    [
        *("user_id", "weekly_distribution_id", "week_start", "week_end", "total_points"),
        *("token_amount", "staking_multiplier", "status", "created_at"),
        *("plan_id", "position", "amount_base_units", "staking_multiplier_micros", "weight"),
        *("user_commitment", "wallet_address", "route"),
    ],
    user_id=_TEXT,
    weekly_distribution_id=_TEXT,
    week_start=_DATE,
    week_end=_DATE,
    total_points=AMOUNT,
    token_amount={"bsonType": "double"},
    staking_multiplier={"bsonType": "double"},
    transaction_signature=_or_null(_TEXT),
    status=_one_of(Status),
    claimed_at=_or_null(_DATE),
    created_at=_DATE,
    plan_id=_TEXT,
    position=_COUNT,
    batch=_or_null(_COUNT),
    amount_base_units=AMOUNT,
    staking_multiplier_micros=AMOUNT,
    weight=AMOUNT,
    user_commitment={"bsonType": "string", "pattern": "^[0-9a-f]{64}$"},
    wallet_address=_TEXT,
    late_points=AMOUNT,
    route=_one_of(Route),
    needs_account=_FLAG,
    reason=_or_null(_TEXT),
    slot=_or_null(AMOUNT),
    redirected_to=_or_null(_TEXT),
    operator_hold=_or_null(_TEXT),
    next_attempt_at=_or_null(_DATE),
)

DISTRIBUTION: Schema = _object(
    [
        *("week_start", "week_end", "total_points", "total_tokens", "point_to_token_ratio"),
        *("user_count", "status", "created_at"),
        *("stage", "total_amount_base_units"),
    ],
    week_start=_DATE,
    week_end=_DATE,
    total_points=AMOUNT,
    total_tokens={"bsonType": "double"},
    point_to_token_ratio={"bsonType": "double"},
    user_count=_COUNT,
    distribution_tx_hash=_or_null(_TEXT),
    status=_one_of(Status),
    started_at=_or_null(_DATE),
    completed_at=_or_null(_DATE),
    created_at=_DATE,
    week=_TEXT,
    plan_id=_or_null(_TEXT),
    stage=_one_of(Stage),
    header={"bsonType": ["binData", "null"]},
    root=_HEX_ROOT,
    held_root=_HEX_ROOT,
    total_amount_base_units=AMOUNT,
    notes={"bsonType": "object"},
    approved=_FLAG,
    attempts=_COUNT,
    next_attempt_at=_or_null(_DATE),
    reason=_or_null(_TEXT),
    stopped=_FLAG,
)

_ATTEMPT: Schema = {
    **_object(
        ["signature", "resolution", "blockhash", "last_valid_block_height", "wire", "created_at"],
        signature=_TEXT,
        resolution={"enum": [1, 2]},
        blockhash=_TEXT,
        last_valid_block_height=AMOUNT,
        wire={"bsonType": "binData"},
        created_at=_DATE,
    ),
    "bsonType": ["object", "null"],
}

_LEASE: Schema = {
    **_object(["token", "until"], token=_TEXT, until=_DATE),
    "bsonType": ["object", "null"],
}

PAYOUT: Schema = _object(
    [
        *("id", "plan_id", "week", "kind", "index", "rewards", "amount_base_units"),
        *("status", "attempts", "rows_root"),
    ],
    id=_TEXT,
    plan_id=_TEXT,
    week=_TEXT,
    kind=_one_of(PayoutKind),
    index=_COUNT,
    rewards=_COUNT,
    amount_base_units=AMOUNT,
    rows_root={"bsonType": "binData"},
    status=_one_of(PayoutStatus),
    attempt=_ATTEMPT,
    signatures={"bsonType": "array", "items": _TEXT},
    attempts=_COUNT,
    next_attempt_at=_or_null(_DATE),
    lease=_LEASE,
    reason=_or_null(_TEXT),
    signature=_or_null(_TEXT),
    slot=_or_null(AMOUNT),
    fee=_or_null(AMOUNT),
    verified=_FLAG,
    wallet=_or_null(_TEXT),
    operator_hold=_or_null(_TEXT),
)

STAKE: Schema = _object(
    ["user_id", "amount", "multiplier", "start_date", "end_date", "status"],
    user_id={"bsonType": ["string", "objectId"]},
    amount=_NUMBER,
    amount_base_units=AMOUNT,
    multiplier={"bsonType": ["int", "long", "double"], "minimum": 1},
    start_date=_DATE,
    end_date=_DATE,
    unstaked_at=_or_null(_DATE),
    status=_one_of(StakeStatus),
    rewards_earned=_NUMBER,
    rewards_earned_base_units=AMOUNT,
    accrued_through=_or_null(_DATE),
    number=_COUNT,
    transfer_key=_TEXT,
)

PROPOSAL: Schema = _object(
    ["title", "proposer_id", "proposal_type", "status", "created_at"],
    title=_TEXT,
    proposal_type=_one_of(ProposalType),
    parameters={"bsonType": "object"},
    voting_start=_DATE,
    voting_end=_DATE,
    votes_for=_NUMBER,
    votes_against=_NUMBER,
    votes_abstain=_NUMBER,
    total_voting_power=_NUMBER,
    votes_for_base_units=AMOUNT,
    votes_against_base_units=AMOUNT,
    votes_abstain_base_units=AMOUNT,
    total_voting_power_base_units=AMOUNT,
    quorum_required=_NUMBER,
    quorum_required_base_units=AMOUNT,
    status=_one_of(ProposalStatus),
    created_at=_DATE,
)

VOTE: Schema = _object(
    ["proposal_id", "user_id", "choice", "weight_base_units", "cast_at"],
    proposal_id=_TEXT,
    user_id=_TEXT,
    choice=_one_of(Choice),
    weight={"bsonType": "double"},
    weight_base_units=AMOUNT,
    cast_at=_DATE,
    created_at=_DATE,
)

SNAPSHOT: Schema = _object(
    ["proposal_id", "user_id", "power_base_units"],
    proposal_id=_TEXT,
    user_id=_TEXT,
    power={"bsonType": "double"},
    power_base_units=AMOUNT,
)

ARTICLE_REWARD: Schema = _object(
    ["week_start", "article_id", "amount_base_units"],
    week_start=_DATE,
    article_id=_TEXT,
    token_amount={"bsonType": "double"},
    amount_base_units=AMOUNT,
)
