"""MongoDB's commands, each carried to DocumentDB's SQL function of the same name.

Documents pass through as bytes; only a command's top level is decoded, to route it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bson
import psycopg
from bson.raw_bson import RawBSONDocument

from worker.local.mongo_engine import Engine, OpenCursors
from worker.local.mongo_errors import (
    DUPLICATE_KEY,
    Document,
    describe_duplicate,
    failure,
    mongo_code,
    translate_write_errors,
)
from worker.local.mongo_explain import explain_pipeline
from worker.local.mongo_wire import DOCUMENT_BYTES_MAX, Message, documents_in

Reply = Mapping[str, Any] | bytes

_API = "documentdb_api"
_BSON = "%b::bytea::documentdb_core.bson"
_SEQUENCE = "%b::bytea::documentdb_core.bsonsequence"
# Fields that belong to the connection, not to the command that the engine runs.
_ENVELOPE = frozenset(
    {"$db", "lsid", "$clusterTime", "txnNumber", "startTransaction", "autocommit",
     "$readPreference", "readConcern", "writeConcern", "apiVersion"}
)  # fmt: skip
_STATEMENTS = {"insert": "documents", "update": "updates", "delete": "deletes"}
_CURSORS = {
    "find": "find_cursor_first_page",
    "aggregate": "aggregate_cursor_first_page",
    "listCollections": "list_collections_cursor_first_page",
    "listIndexes": "list_indexes_cursor_first_page",
}


@dataclass(frozen=True)
class Request:
    """A command, taken apart. `retry_id` is the same when a driver repeats a write."""

    name: str
    database: str
    fields: RawBSONDocument
    spec: bytes
    sequences: Mapping[str, bytes]
    retry_id: str | None

    @property
    def collection(self) -> str:
        return str(self.fields[self.name])

    @property
    def namespace(self) -> str:
        return f"{self.database}.{self.collection}"


@dataclass(frozen=True)
class Gateway:
    """What a command may use: this client's engine connection, and what all clients share."""

    engine: Engine
    cursors: OpenCursors
    hello: Callable[[], Document]


Handler = Callable[[Gateway, Request], Reply]


def _select(columns: str, function: str, *arguments: str) -> str:
    """SQL that reads `columns` from one of the engine's functions."""
    return " ".join(("select", columns, "from", f"{_API}.{function}({', '.join(arguments)})"))


def parse_request(message: Message) -> Request:
    """Take a message apart. Raises bson.errors.BSONError or KeyError if it is no command."""
    fields = RawBSONDocument(message.command)
    spec = bson.encode({k: v for k, v in fields.items() if k not in _ENVELOPE})
    retry_id = None
    if "txnNumber" in fields:
        retry_id = f"{fields['lsid'].raw.hex()}:{fields['txnNumber']}"
    return Request(
        next(iter(fields)), str(fields.get("$db", "admin")), fields, spec,
        message.sequences, retry_id,
    )  # fmt: skip


def run_command(gateway: Gateway, request: Request) -> Reply:
    """Answer one command. Raises EngineUnreachable; what the engine refuses is a reply."""
    if "autocommit" in request.fields:
        return failure(20, "IllegalOperation", "Multi-document transactions are not supported")
    handler = _HANDLERS.get(request.name.lower())
    if handler is None:
        return failure(59, "CommandNotFound", f"no such command: '{request.name}'")
    try:
        return handler(gateway, request)
    except psycopg.Error as error:
        return _refused(gateway, request, error)


def _refused(gateway: Gateway, request: Request, error: psycopg.Error) -> Document:
    code, name = mongo_code(error.sqlstate or "")
    reply = failure(code, name, error.diag.message_primary or str(error))
    if code == DUPLICATE_KEY and error.diag.constraint_name:
        index, key = _index_of_constraint(gateway.engine, error.diag.constraint_name)
        reply |= describe_duplicate(request.namespace, index, key, None)
    return reply


def _write(gateway: Gateway, request: Request) -> Reply:
    verb, engine = request.name, gateway.engine
    arguments: tuple[object, ...]
    documents = request.sequences.get(_STATEMENTS[verb])
    if request.retry_id is not None and _has_many_statements(request, documents):
        sql = f"select kontrib_gateway.write_once(%s, %s, %s, {_BSON}, {_SEQUENCE})"
        arguments = (request.retry_id, verb, request.database, request.spec, documents)
    else:
        sql = _select("p_result", verb, "%s", _BSON, _SEQUENCE, "%s")
        arguments = (request.database, request.spec, documents, request.retry_id)
    reply = _bytes(engine.row(sql, *arguments))
    return _with_mongo_errors(engine, request, reply) if b"writeErrors" in reply else reply


def _has_many_statements(request: Request, documents: bytes | None) -> bool:
    if documents is None:
        return len(request.fields[_STATEMENTS[request.name]]) > 1
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


def _index_of_constraint(engine: Engine, constraint: str) -> tuple[str, Document]:
    """Name and key of the index behind a PostgreSQL constraint."""
    if constraint.startswith("collection_pk_"):
        return "_id_", {"_id": 1}
    sql = """select (index_spec).index_name, (index_spec).index_key
        from documentdb_api_catalog.collection_indexes
        where 'documents_rum_index_' || index_id = %s"""
    row = engine.row_or_none(sql, constraint)
    return (str(row[0]), bson.decode(row[1])) if row else (constraint, {})


def _find_and_modify(gateway: Gateway, request: Request) -> Reply:
    sql = _select("p_result", "find_and_modify", "%s", _BSON, "%s")
    return _bytes(gateway.engine.row(sql, request.database, request.spec, request.retry_id))


def _open_cursor(gateway: Gateway, request: Request) -> Reply:
    columns = "cursorpage, continuation, cursorid"
    sql = _select(columns, _CURSORS[request.name], "%s", _BSON)
    page, continuation, cursor_id = gateway.engine.row(sql, request.database, request.spec)
    _keep_cursor(gateway, cursor_id, continuation)
    return _bytes((page,))


def _get_more(gateway: Gateway, request: Request) -> Reply:
    cursor_id = int(request.fields["getMore"])
    continuation = gateway.cursors.take(cursor_id)
    if continuation is None:
        return failure(43, "CursorNotFound", f"cursor id {cursor_id} not found")
    sql = _select("cursorpage, continuation", "cursor_get_more", "%s", _BSON, _BSON)
    page, continuation = gateway.engine.row(sql, request.database, request.spec, continuation)
    _keep_cursor(gateway, cursor_id, continuation)
    return _bytes((page,))


def _keep_cursor(gateway: Gateway, cursor_id: int, continuation: bytes | None) -> None:
    if continuation is not None:
        _forget_cursors(gateway, gateway.cursors.put(cursor_id, continuation))


def _forget_cursors(gateway: Gateway, cursor_ids: list[int]) -> None:
    """Delete the engine's files of cursors that nobody will read any more."""
    if cursor_ids:
        sql = "select documentdb_api_internal.delete_cursors(%s::bigint[])"
        gateway.engine.row(sql, cursor_ids)


def _kill_cursors(gateway: Gateway, request: Request) -> Reply:
    cursor_ids = [int(cursor_id) for cursor_id in request.fields["cursors"]]
    killed = [cursor_id for cursor_id in cursor_ids if gateway.cursors.take(cursor_id)]
    _forget_cursors(gateway, killed)
    return {"cursorsKilled": killed, "cursorsNotFound": sorted({*cursor_ids} - {*killed}),
            "cursorsAlive": [], "cursorsUnknown": [], "ok": 1.0}  # fmt: skip


def _explain(gateway: Gateway, request: Request) -> Reply:
    explained = request.fields["explain"]
    verb = next(iter(explained))
    spec = bson.encode({k: v for k, v in explained.items() if k not in _ENVELOPE})
    runs = request.fields.get("verbosity", "executionStats") != "queryPlanner"
    return explain_pipeline(gateway.engine, verb, request.database, spec, runs=runs)


def _simple(sql: str) -> Handler:
    """A command that is one SQL call with the database and the command as its arguments."""

    def handler(gateway: Gateway, request: Request) -> Reply:
        return _bytes(gateway.engine.row(sql, request.database, request.spec))

    return handler


def _on_collection(sql: str) -> Handler:
    """The same, for a call that also takes the collection's name."""

    def handler(gateway: Gateway, request: Request) -> Reply:
        named = (request.database, request.collection)
        arguments = (*named, request.spec) if _BSON in sql else named
        return _bytes(gateway.engine.row(sql, *arguments))

    return handler


def _create_indexes(gateway: Gateway, request: Request) -> Reply:
    # At once and in this statement, as the client expects; the engine's own queue of background
    # builds would answer up to two seconds later.
    function = "documentdb_api_internal.create_indexes_non_concurrently"
    sql = f"select {function}(%s, {_BSON}, p_skip_check_collection_create => true)"
    answer = bson.decode(_bytes(gateway.engine.row(sql, request.database, request.spec)))
    built: Document = answer.get("raw", {}).get("defaultShard", answer)
    return built | {"ok": float(answer["ok"])}


def _drop(gateway: Gateway, request: Request) -> Reply:
    sql = f"select {_API}.drop_collection(%s, %s)"
    gateway.engine.row(sql, request.database, request.collection)
    return {"ns": request.namespace, "ok": 1.0}


def _drop_database(gateway: Gateway, request: Request) -> Reply:
    gateway.engine.row(f"select {_API}.drop_database(%s)", request.database)
    return {"dropped": request.database, "ok": 1.0}


def _rename_collection(gateway: Gateway, request: Request) -> Reply:
    database, source = str(request.fields["renameCollection"]).split(".", 1)
    target = str(request.fields["to"]).split(".", 1)[1]
    drop_target = bool(request.fields.get("dropTarget", False))
    sql = f"select {_API}.rename_collection(%s, %s, %s, %s)"
    gateway.engine.row(sql, database, source, target, drop_target)
    return {"ok": 1.0}


def _list_databases(gateway: Gateway, request: Request) -> Reply:
    return _bytes(gateway.engine.row(f"select {_API}.list_databases({_BSON})", request.spec))


def _hello(gateway: Gateway, request: Request) -> Reply:
    del request
    return gateway.hello()


def _ping(gateway: Gateway, request: Request) -> Reply:
    """Answers for the engine behind the gateway, not only for the gateway."""
    del request
    gateway.engine.row("select 1")
    return {"ok": 1.0}


def _build_info(gateway: Gateway, request: Request) -> Reply:
    del request
    (version,) = gateway.engine.row(f"select {_API}.binary_version()")
    return {"version": "7.0.0", "versionArray": [7, 0, 0, 0], "documentdb": version, "bits": 64,
            "maxBsonObjectSize": DOCUMENT_BYTES_MAX, "ok": 1.0}  # fmt: skip


def _acknowledge(gateway: Gateway, request: Request) -> Reply:
    """Sessions are names for retried writes here, with nothing to end or refresh."""
    del gateway, request
    return {"ok": 1.0}


def _bytes(row: tuple[Any, ...]) -> bytes:
    """The BSON that the engine answered with."""
    return bytes(row[0])


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_STATEMENTS, _write),
    **dict.fromkeys((name.lower() for name in _CURSORS), _open_cursor),
    **dict.fromkeys(("hello", "ismaster"), _hello),
    **dict.fromkeys(("endsessions", "killsessions", "refreshsessions"), _acknowledge),
    "findandmodify": _find_and_modify,
    "getmore": _get_more,
    "killcursors": _kill_cursors,
    "explain": _explain,
    "count": _simple(_select("document", "count_query", "%s", _BSON)),
    "distinct": _simple(_select("document", "distinct_query", "%s", _BSON)),
    "validate": _simple(_select("document", "validate", "%s", _BSON)),
    "create": _simple(f"select {_API}.create_collection_view(%s, {_BSON})"),
    "dropindexes": _simple(f"call {_API}.drop_indexes(%s, {_BSON}, null)"),
    "collmod": _on_collection(f"select {_API}.coll_mod(%s, %s, {_BSON})"),
    "collstats": _on_collection(f"select {_API}.coll_stats(%s, %s)"),
    "dbstats": lambda gateway, request: _bytes(
        gateway.engine.row(f"select {_API}.db_stats(%s)", request.database)
    ),
    "createindexes": _create_indexes,
    "drop": _drop,
    "dropdatabase": _drop_database,
    "renamecollection": _rename_collection,
    "listdatabases": _list_databases,
    "ping": _ping,
    "buildinfo": _build_info,
}
