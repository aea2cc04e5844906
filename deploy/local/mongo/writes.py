"""Writes that a driver can repeat safely: insert, update, delete and findAndModify.

A command that the engine runs as one SQL statement is one transaction. It happens completely or
not at all, so it can run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
import psycopg
from bson.codec_options import DatetimeConversion
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from psycopg.errors import ExclusionViolation, UniqueViolation

from deploy.local.mongo.engine import Engine
from deploy.local.mongo.errors import (
    DUPLICATE_KEY,
    Document,
    describe_duplicate,
    failure,
    mongo_code,
    translate_write_errors,
)
from deploy.local.mongo.piecemeal import piecemeal_data, write_piecemeal
from deploy.local.mongo.request import (
    BSON,
    SEQUENCE,
    STATEMENTS,
    Gateway,
    Request,
    bson_of,
    select,
    touches_many,
)
from deploy.local.mongo.wire import Reply

# Documents may hold dates outside of the range of Python.
_ANY_DATE = DEFAULT_RAW_BSON_OPTIONS.with_options(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

# An upsert may lose against another upsert of the same key, and finds the document at its second
# attempt, like in MongoDB. Further attempts are for documents that are deleted in between.
_UPSERT_RETRIES_MAX = 3


def write(gateway: Gateway, request: Request) -> Reply:
    """Run an insert, update or delete command, with any number of statements in it.

    Raises ClientCutOff, if a fail point asks for it.
    """
    statement = _only_statement(request)
    if statement is None or touches_many(statement):
        data = piecemeal_data(gateway, request)
        if data is not None:
            return write_piecemeal(gateway, request, data, _write)
    return _write(gateway, request)


def _write(gateway: Gateway, request: Request) -> Reply:
    engine, statement = gateway.engine, _only_statement(request)
    if statement is None or touches_many(statement):
        return _with_mongo_errors(engine, request, _write_many(engine, request))
    reply = _with_mongo_errors(engine, request, _write_one(engine, request))
    for _ in range(_UPSERT_RETRIES_MAX if statement.get("upsert") else 0):
        if not _is_duplicate(reply):
            break
        reply = _with_mongo_errors(engine, request, _write_one(engine, request))
    return reply


def _only_statement(request: Request) -> Mapping[str, Any] | None:
    """The only statement of a command, or None if it has several."""
    block = request.sequences.get(STATEMENTS[request.name])
    if block is None:
        statements: list[Mapping[str, Any]] = request.fields[STATEMENTS[request.name]]
        return statements[0] if len(statements) == 1 else None
    # A document begins with its length, so a longer block holds a second document.
    if int.from_bytes(block[:4], "little") < len(block):
        return None
    return RawBSONDocument(block, _ANY_DATE)


def _is_duplicate(reply: Reply) -> bool:
    errors = () if isinstance(reply, bytes) else reply.get("writeErrors", ())
    return any(error["code"] == DUPLICATE_KEY for error in errors)


def _write_one(engine: Engine, request: Request) -> bytes:
    sql = select("p_result", request.name, "%s", BSON, SEQUENCE, "%s")
    block = request.sequences.get(STATEMENTS[request.name])
    return bson_of(engine.row(sql, request.database, request.spec, block, request.retry_id))


def _write_many(engine: Engine, request: Request) -> bytes:
    arguments = f"%s, %s, %s, %s, {BSON}, {SEQUENCE}"
    block = request.sequences.get(STATEMENTS[request.name])
    row = engine.row(
        f"select kontrib_gateway.write_many(false, {arguments})",
        *(request.retry_id, request.name, request.database, request.collection),
        *(request.spec, block),
        after_conflict=f"select kontrib_gateway.write_many(true, {arguments})",
    )
    return bson_of(row)


def _with_mongo_errors(engine: Engine, request: Request, reply: bytes) -> Reply:
    """Translate the errors of a write, and describe its duplicate keys."""
    if b"writeErrors" not in reply:
        return reply
    decoded: Document = bson.decode(reply)
    duplicates = translate_write_errors(decoded)
    keys: dict[str, Document] = {}
    inserted = request.statements() if duplicates and request.name == "insert" else []
    for error in duplicates:
        index = str(error.get("errmsg", "")).rpartition("Index '")[2].rstrip("'")
        if index not in keys:
            keys[index] = _key_of_index(engine, request, index)
        document = bson.decode(inserted[error["index"]]) if inserted else None
        error |= describe_duplicate(request.namespace, index, keys[index], document)
    return decoded


def _key_of_index(engine: Engine, request: Request, index: str) -> Document:
    """The key of an index by its name; empty if the index was just dropped."""
    sql = """select (i.index_spec).index_key from documentdb_api_catalog.collection_indexes i
        join documentdb_api_catalog.collections c using (collection_id)
        where c.database_name = %s and c.collection_name = %s
        and (i.index_spec).index_name = %s"""
    row = engine.row_or_none(sql, request.database, request.collection, index)
    return bson.decode(row[0]) if row else {}


def find_and_modify(gateway: Gateway, request: Request) -> Reply:
    """Run one findAndModify. Raises psycopg.Error if the engine refuses."""
    sql = select("p_result", "find_and_modify", "%s", BSON, "%s")
    arguments = (request.database, request.spec, request.retry_id)
    for _ in range(_UPSERT_RETRIES_MAX if request.fields.get("upsert") else 0):
        try:
            return bson_of(gateway.engine.row(sql, *arguments))
        except (UniqueViolation, ExclusionViolation):
            continue
    return bson_of(gateway.engine.row(sql, *arguments))


def refused(gateway: Gateway, request: Request, error: psycopg.Error) -> Document:
    """The reply to a command that the engine refused completely."""
    code, name = mongo_code(error.sqlstate or "")
    reply = failure(code, name, error.diag.message_primary or str(error))
    if code == DUPLICATE_KEY and error.diag.constraint_name:
        index, key = _index_of_constraint(gateway.engine, request, error.diag.constraint_name)
        reply |= describe_duplicate(request.namespace, index, key, None)
    return reply


def _index_of_constraint(engine: Engine, request: Request, constraint: str) -> tuple[str, Document]:
    """Name and key of the index behind a PostgreSQL constraint."""
    if constraint.startswith("collection_pk_"):
        return "_id_", {"_id": 1}
    if request.name == "createIndexes":  # an index that failed to build is absent
        unique = [index for index in request.fields["indexes"] if index.get("unique")]
        return str(unique[0]["name"]), dict(unique[0]["key"])
    sql = """select (index_spec).index_name, (index_spec).index_key
        from documentdb_api_catalog.collection_indexes
        where 'documents_rum_index_' || index_id = %s"""
    row = engine.row_or_none(sql, constraint)
    return (str(row[0]), bson.decode(row[1])) if row else (constraint, {})
