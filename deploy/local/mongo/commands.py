"""MongoDB's commands, each passed to DocumentDB's SQL function of the same name.

Documents pass through as bytes; only a command's top level is decoded, to route it.
"""

from __future__ import annotations

from typing import Any

import bson
import psycopg

from deploy.local.mongo.errors import Document, failure
from deploy.local.mongo.explain import explain_pipeline
from deploy.local.mongo.fail_points import run_with_fail_points
from deploy.local.mongo.request import (
    API,
    BSON,
    STATEMENTS,
    Gateway,
    Handler,
    Request,
    bson_of,
    select,
    strip_envelope,
)
from deploy.local.mongo.wire import DOCUMENT_BYTES_MAX, Reply, decoded
from deploy.local.mongo.write_concern import is_unacknowledged, refuse_write_concern, unmet
from deploy.local.mongo.writes import find_and_modify, refused, write

_CURSORS = {
    "find": "find_cursor_first_page",
    "aggregate": "aggregate_cursor_first_page",
    "listCollections": "list_collections_cursor_first_page",
    "listIndexes": "list_indexes_cursor_first_page",
}


def run_command(gateway: Gateway, request: Request) -> Reply:
    """Answer one command. A refusal of the engine is a reply.

    Raises EngineUnreachable, and ClientCutOff if a fail point asks for it.
    """
    if "autocommit" in request.fields:
        return failure(20, "IllegalOperation", "Multi-document transactions are not supported")
    handler = _HANDLERS.get(request.name.lower())
    if handler is None:
        return failure(59, "CommandNotFound", f"no such command: '{request.name}'")
    concern = request.fields.get("writeConcern")
    if refused_concern := refuse_write_concern(request.name, concern):
        return refused_concern
    reply = run_with_fail_points(
        gateway.fail_points,
        request.name,
        request.retry_id,
        lambda: _run(handler, gateway, request),
    )
    return _with_write_concern(concern, reply)


def _run(handler: Handler, gateway: Gateway, request: Request) -> Reply:
    try:
        return handler(gateway, request)
    except psycopg.Error as error:
        return refused(gateway, request, error)


def _with_write_concern(concern: Any, reply: Reply) -> Reply:
    """What the client learns of a write that ran: all, an unmet write concern, or `ok` alone."""
    if is_unacknowledged(concern):
        return {"ok": 1.0}
    missing = unmet(concern)
    if missing is None:
        return reply
    answered = decoded(reply)
    return {**answered, "writeConcernError": missing} if answered["ok"] else answered


def _open_cursor(gateway: Gateway, request: Request) -> Reply:
    columns = "cursorpage, continuation, cursorid"
    sql = select(columns, _CURSORS[request.name], "%s", BSON)
    page, continuation, cursor_id = gateway.engine.row(sql, request.database, request.spec)
    _keep_cursor(gateway, cursor_id, continuation)
    return bson_of((page,))


def _get_more(gateway: Gateway, request: Request) -> Reply:
    cursor_id = int(request.fields["getMore"])
    continuation = gateway.cursors.take(cursor_id)
    if continuation is None:
        return failure(43, "CursorNotFound", f"cursor id {cursor_id} not found")
    sql = select("cursorpage, continuation", "cursor_get_more", "%s", BSON, BSON)
    page, continuation = gateway.engine.row(sql, request.database, request.spec, continuation)
    _keep_cursor(gateway, cursor_id, continuation)
    return bson_of((page,))


def _keep_cursor(gateway: Gateway, cursor_id: int, continuation: bytes | None) -> None:
    if continuation is not None:
        _forget_cursors(gateway, gateway.cursors.put(cursor_id, continuation))


def _forget_cursors(gateway: Gateway, cursor_ids: list[int]) -> None:
    """Delete the engine's files of cursors that are no longer read."""
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
    spec = strip_envelope(explained)
    runs = request.fields.get("verbosity", "executionStats") != "queryPlanner"
    return explain_pipeline(gateway.engine, verb, request.database, spec, runs=runs)


def _simple(sql: str) -> Handler:
    """A handler that calls SQL with the database and the command as arguments."""

    def handler(gateway: Gateway, request: Request) -> Reply:
        return bson_of(gateway.engine.row(sql, request.database, request.spec))

    return handler


def _on_collection(sql: str) -> Handler:
    """A handler that calls SQL with the names of database and collection as arguments."""

    def handler(gateway: Gateway, request: Request) -> Reply:
        named = (request.database, request.collection)
        arguments = (*named, request.spec) if BSON in sql else named
        return bson_of(gateway.engine.row(sql, *arguments))

    return handler


def _create_indexes(gateway: Gateway, request: Request) -> Reply:
    # Build the indexes in this statement, as the client expects. The engine's own queue of
    # background builds could take two more seconds.
    function = "documentdb_api_internal.create_indexes_non_concurrently"
    sql = f"select {function}(%s, {BSON}, p_skip_check_collection_create => true)"
    answer = bson.decode(bson_of(gateway.engine.row(sql, request.database, request.spec)))
    built: Document = answer.get("raw", {}).get("defaultShard", answer)
    return built | {"ok": float(answer["ok"])}


def _drop(gateway: Gateway, request: Request) -> Reply:
    sql = f"select {API}.drop_collection(%s, %s)"
    gateway.engine.row(sql, request.database, request.collection)
    return {"ns": request.namespace, "ok": 1.0}


def _drop_database(gateway: Gateway, request: Request) -> Reply:
    gateway.engine.row(f"select {API}.drop_database(%s)", request.database)
    return {"dropped": request.database, "ok": 1.0}


def _rename_collection(gateway: Gateway, request: Request) -> Reply:
    database, source = str(request.fields["renameCollection"]).split(".", 1)
    target = str(request.fields["to"]).split(".", 1)[1]
    drop_target = bool(request.fields.get("dropTarget", False))
    sql = f"select {API}.rename_collection(%s, %s, %s, %s)"
    gateway.engine.row(sql, database, source, target, drop_target)
    return {"ok": 1.0}


def _list_databases(gateway: Gateway, request: Request) -> Reply:
    return bson_of(gateway.engine.row(f"select {API}.list_databases({BSON})", request.spec))


def _hello(gateway: Gateway, request: Request) -> Reply:
    del request
    return gateway.hello()


def _ping(gateway: Gateway, request: Request) -> Reply:
    """Answer for the engine behind the gateway, and not only for the gateway."""
    del request
    gateway.engine.row("select 1")
    return {"ok": 1.0}


def _build_info(gateway: Gateway, request: Request) -> Reply:
    del request
    (version,) = gateway.engine.row(f"select {API}.binary_version()")
    return {"version": "7.0.0", "versionArray": [7, 0, 0, 0], "documentdb": version, "bits": 64,
            "maxBsonObjectSize": DOCUMENT_BYTES_MAX, "ok": 1.0}  # fmt: skip


def _acknowledge(gateway: Gateway, request: Request) -> Reply:
    """Succeed without work, since a session here only names retried writes."""
    del gateway, request
    return {"ok": 1.0}


def _configure_fail_point(gateway: Gateway, request: Request) -> Reply:
    fields = request.fields
    data: Document = bson.decode(fields["data"].raw) if "data" in fields else {}
    return gateway.fail_points.configure(str(fields["configureFailPoint"]), fields["mode"], data)


def _start_options(gateway: Gateway, request: Request) -> Reply:
    del gateway, request
    return {"argv": ["gateway"], "parsed": {}, "ok": 1.0}


def _parameters(gateway: Gateway, request: Request) -> Reply:
    del gateway, request
    return {"enableTestCommands": True, "ok": 1.0}


def _server_status(gateway: Gateway, request: Request) -> Reply:
    del request
    return {"host": gateway.hello()["me"], "process": "gateway", "ok": 1.0}


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(STATEMENTS, write),
    **dict.fromkeys((name.lower() for name in _CURSORS), _open_cursor),
    **dict.fromkeys(("hello", "ismaster"), _hello),
    **dict.fromkeys(("endsessions", "killsessions", "refreshsessions"), _acknowledge),
    "findandmodify": find_and_modify,
    "getmore": _get_more,
    "killcursors": _kill_cursors,
    "explain": _explain,
    "count": _simple(select("document", "count_query", "%s", BSON)),
    "distinct": _simple(select("document", "distinct_query", "%s", BSON)),
    "validate": _simple(select("document", "validate", "%s", BSON)),
    "create": _simple(f"select {API}.create_collection_view(%s, {BSON})"),
    "dropindexes": _simple(f"call {API}.drop_indexes(%s, {BSON}, null)"),
    "collmod": _on_collection(f"select {API}.coll_mod(%s, %s, {BSON})"),
    "collstats": _on_collection(f"select {API}.coll_stats(%s, %s)"),
    "dbstats": lambda gateway, request: bson_of(
        gateway.engine.row(f"select {API}.db_stats(%s)", request.database)
    ),
    "createindexes": _create_indexes,
    "drop": _drop,
    "dropdatabase": _drop_database,
    "renamecollection": _rename_collection,
    "listdatabases": _list_databases,
    "configurefailpoint": _configure_fail_point,
    "getcmdlineopts": _start_options,
    "getparameter": _parameters,
    "serverstatus": _server_status,
    "ping": _ping,
    "buildinfo": _build_info,
}
