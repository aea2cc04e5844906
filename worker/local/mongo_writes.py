"""Writes: insert, update, delete and findAndModify, each repeated safely by its driver.

A command that the engine runs as one statement of SQL is one transaction, so that it happens as a
whole, or not at all, and can be run again.
"""

from __future__ import annotations

import bson
import psycopg

from worker.local.mongo_engine import Engine
from worker.local.mongo_errors import (
    DUPLICATE_KEY,
    Document,
    describe_duplicate,
    failure,
    mongo_code,
    translate_write_errors,
)
from worker.local.mongo_request import BSON, SEQUENCE, Gateway, Reply, Request, bson_of, select
from worker.local.mongo_wire import documents_in

STATEMENTS = {"insert": "documents", "update": "updates", "delete": "deletes"}


def write(gateway: Gateway, request: Request) -> Reply:
    """Run an insert, update or delete command, with any number of statements in it."""
    verb, engine = request.name, gateway.engine
    arguments: tuple[object, ...]
    documents = request.sequences.get(STATEMENTS[verb])
    if request.retry_id is not None and _has_many_statements(request, documents):
        sql = f"select kontrib_gateway.write_once(%s, %s, %s, {BSON}, {SEQUENCE})"
        arguments = (request.retry_id, verb, request.database, request.spec, documents)
    else:
        sql = select("p_result", verb, "%s", BSON, SEQUENCE, "%s")
        arguments = (request.database, request.spec, documents, request.retry_id)
    reply = bson_of(engine.row(sql, *arguments))
    return _with_mongo_errors(engine, request, reply) if b"writeErrors" in reply else reply


def _has_many_statements(request: Request, documents: bytes | None) -> bool:
    if documents is None:
        statements: list[object] = request.fields[STATEMENTS[request.name]]
        return len(statements) > 1
    # A document begins with its length: there is a second one if the block is longer.
    return int.from_bytes(documents[:4], "little") < len(documents)


def _with_mongo_errors(engine: Engine, request: Request, reply: bytes) -> Reply:
    """Translate the errors of a bulk write, and complete those about duplicate keys."""
    decoded: Document = bson.decode(reply)
    duplicates = translate_write_errors(decoded)
    keys: dict[str, Document] = {}
    inserted = _inserted_documents(request) if duplicates else []
    for error in duplicates:
        index = str(error.get("errmsg", "")).rpartition("Index '")[2].rstrip("'")
        if index not in keys:
            keys[index] = _key_of_index(engine, request, index)
        document = bson.decode(inserted[error["index"]]) if inserted else None
        error |= describe_duplicate(request.namespace, index, keys[index], document)
    return decoded


def _inserted_documents(request: Request) -> list[bytes]:
    if request.name != "insert":
        return []
    if (block := request.sequences.get("documents")) is not None:
        return documents_in(block)
    return [document.raw for document in request.fields["documents"]]


def _key_of_index(engine: Engine, request: Request, index: str) -> Document:
    """The key of an index by its name; empty if somebody dropped it in this very moment."""
    sql = """select (i.index_spec).index_key from documentdb_api_catalog.collection_indexes i
        join documentdb_api_catalog.collections c using (collection_id)
        where c.database_name = %s and c.collection_name = %s
        and (i.index_spec).index_name = %s"""
    row = engine.row_or_none(sql, request.database, request.collection, index)
    return bson.decode(row[0]) if row else {}


def find_and_modify(gateway: Gateway, request: Request) -> Reply:
    """Run one findAndModify, which the engine itself remembers by its retry id."""
    sql = select("p_result", "find_and_modify", "%s", BSON, "%s")
    return bson_of(gateway.engine.row(sql, request.database, request.spec, request.retry_id))


def refused(gateway: Gateway, request: Request, error: psycopg.Error) -> Document:
    """The reply to a command that the engine refused as a whole."""
    code, name = mongo_code(error.sqlstate or "")
    reply = failure(code, name, error.diag.message_primary or str(error))
    if code == DUPLICATE_KEY and error.diag.constraint_name:
        index, key = _index_of_constraint(gateway.engine, request, error.diag.constraint_name)
        reply |= describe_duplicate(request.namespace, index, key, None)
    return reply


def _index_of_constraint(
    engine: Engine, request: Request, constraint: str
) -> tuple[str, Document]:
    """Name and key of the index behind a PostgreSQL constraint."""
    if constraint.startswith("collection_pk_"):
        return "_id_", {"_id": 1}
    if request.name == "createIndexes":  # the index that failed to be built is not there to find
        unique = [index for index in request.fields["indexes"] if index.get("unique")]
        return str(unique[0]["name"]), dict(unique[0]["key"])
    sql = """select (index_spec).index_name, (index_spec).index_key
        from documentdb_api_catalog.collection_indexes
        where 'documents_rum_index_' || index_id = %s"""
    row = engine.row_or_none(sql, constraint)
    return (str(row[0]), bson.decode(row[1])) if row else (constraint, {})
