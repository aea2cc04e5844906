"""Validators that the wiki has on its own collections: they stay, so our fields must pass them.

The server judges itself, on documents that a pipeline makes and nothing stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import Int64
from pymongo.errors import OperationFailure

from worker.adapters.mongo import names
from worker.adapters.mongo.connection import Document, Mongo
from worker.adapters.mongo.schema.origin import Origin, if_missing, validation_of
from worker.adapters.mongo.schema.seeds import CONFIG
from worker.adapters.mongo.schema.spec import CollectionSpec
from worker.core.wiki.stored_counters import NOT_RECOUNTED, REPUTATION_WRITTEN

_SCHEMA = "$jsonSchema"
_OF_FIELDS = ("properties", "patternProperties", "additionalProperties")
_A_DATE = datetime(2024, 12, 16, tzinfo=UTC)
_LATER_COUNT, _LATER_AMOUNT = 15, 250.75
_CONTRIBUTION = {
    "user_id": "507f1f77bcf86cd799439011",
    "article_id": "507f1f77bcf86cd799439012",
    "type": "creation",
    "base_points": 100,
    "quality_multiplier": 2.5,
    "reputation_multiplier": 1.2,
    "demand_multiplier": 1.8,
    "total_points": 540,
    "description": "text",
    "metadata": {},
    "created_at": _A_DATE,
    "updated_at": _A_DATE,
    "idempotency_key": "text",
}
_CONFIGURATION: tuple[Document, ...] = (
    {**CONFIG, "updated_at": _A_DATE},
    {"_id": "schema", "version": 1, "migrated_at": _A_DATE},
    {**Origin().document(_A_DATE), "dropped": []},
    {"_id": "genesis", "first_week": "2024-12-16"},
    {"_id": "control", "paused": None},
    {"_id": "heartbeat/beat", "at": _A_DATE},
    {"_id": "count/re_signs", "count": Int64(1)},
)
CONFIG_FIELDS = {name for document in _CONFIGURATION for name in document}
"""Fields of our documents in `system_config`."""


def keeps_validator(spec: CollectionSpec) -> bool:
    """Whether a validator of the wiki's stays: where the wiki writes, its rules are in force."""
    return spec.validator is None or not spec.validator.blocks


def blocks(validation: Mapping[str, Any]) -> bool:
    """Whether validation options refuse any document."""
    is_off = validation.get("validationLevel") == "off"
    return bool(validation) and not is_off and validation.get("validationAction") != "warn"


def violations(database: Mongo, spec: CollectionSpec, options: Mapping[str, Any]) -> Iterator[str]:
    """Why a validator of the wiki's would refuse our fields."""
    found = validation_of(options)
    if not blocks(found) or not keeps_validator(spec):
        return
    validator = found["validator"]
    try:
        if spec.name == names.SYSTEM_CONFIG:
            yield from _refused_configuration(database, validator)
        elif _refuses_fields(database, validator, _fields(spec)):
            fields = ", ".join(sorted(_fields(spec)))
            yield (
                f"{spec.name} has a validator that refuses documents with our fields. Allow "
                f"them in it: {fields}."
            )
        elif spec.added_fields:
            is_strict = found.get("validationLevel") != "moderate"
            yield from _refused_documents(database, spec, validator, is_strict=is_strict)
    except OperationFailure as error:
        yield (
            f"{spec.name} has a validator that the server cannot apply to other documents "
            f"({error.details.get('errmsg', error) if error.details else error}). Write it as a "
            "$jsonSchema, or set its validationAction to warn."
        )


def _fields(spec: CollectionSpec) -> Document:
    """Our fields with the values of a later day."""
    openings = [name for name in spec.service_fields if name.startswith("opening_")]
    later = {
        **{name: _later(value) for name, value in spec.added_fields.items()},
        **{name: Int64(_LATER_COUNT) for name in openings},
        **({NOT_RECOUNTED: ["text"]} if openings else {}),
    }
    if spec.name == names.CONTRIBUTIONS:
        return dict(_CONTRIBUTION)
    if spec.name == names.USERS:
        return {
            **later,
            names.ACCOUNT_MADE_AT: _A_DATE,
            names.ACCOUNT_WALLETS: ["text"],
            names.WALLET_CONFLICT: "text",
            names.WALLET_REMOVED: "",
            names.ADDED_FIELDS: ["text"],
            REPUTATION_WRITTEN: 1.2,
        }
    return {**later, names.ADDED_FIELDS: ["text"]} if later else {}


def _later(value: object) -> object:
    """What a default becomes once something was earned."""
    if value is None:
        return _A_DATE
    if isinstance(value, Int64):
        return Int64(250_750_000_000)
    if isinstance(value, float):
        return _LATER_AMOUNT if value == 0 else value
    return _LATER_COUNT if value == 0 and isinstance(value, int) else value


def _refused_configuration(database: Mongo, validator: Document) -> Iterator[str]:
    """The documents that this system keeps beside the wiki's configuration."""
    for sample in _CONFIGURATION:
        if list(_nothing_but(database, sample, [{"$match": {"$nor": [validator]}}])):
            yield (
                f"{names.SYSTEM_CONFIG} has a validator that refuses our document "
                f"{sample['_id']!r}. Allow it, or set the validationAction to warn."
            )
            return


def _nothing_but(database: Mongo, document: Document, stages: list[Document]) -> Any:
    """A pipeline over one document that is not stored."""
    # A facet gives one document even if the collection is empty or missing.
    source: list[Document] = [
        {"$limit": 1},
        {"$facet": {"none": [{"$limit": 1}]}},
        {"$replaceWith": {"$literal": document}},
    ]
    return database[names.SYSTEM_CONFIG].aggregate([*source, *stages])


def _refuses_fields(database: Mongo, validator: Document, fields: Document) -> bool:
    """Whether what a schema says about single fields refuses ours."""
    if list(validator) != [_SCHEMA] or not fields:
        return False
    schema = {key: value for key, value in validator[_SCHEMA].items() if key in _OF_FIELDS}
    stages: list[Document] = [{"$match": {"$nor": [{_SCHEMA: schema}]}}]
    return bool(list(_nothing_but(database, fields, stages)))


def _refused_documents(
    database: Mongo, spec: CollectionSpec, validator: Document, *, is_strict: bool
) -> Iterator[str]:
    """A document that the validator would not let us complete, if there is one."""
    for fields in (spec.added_fields, _fields(spec)):
        is_default = fields is spec.added_fields
        values = {
            name: if_missing(name, {"$literal": value}, f"${name}")
            if is_default
            else {"$literal": value}
            for name, value in fields.items()
        }
        stages: list[Document] = [
            {"$match": {} if is_strict else validator},
            {"$set": values},
            {"$match": {"$nor": [validator]}},
            {"$limit": 1},
            {"$project": {"_id": 1}},
        ]
        for document in database[spec.name].aggregate(stages):
            yield (
                f"{spec.name} has a validator that refuses document {document['_id']!r} once it "
                f"has our fields ({', '.join(fields)}). Allow them in it, or correct the document."
            )
            return
