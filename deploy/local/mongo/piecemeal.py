"""Writes of many documents applied one document at a time, as MongoDB applies them.

The engine runs such a write in one transaction, so a crash never leaves half of one. MongoDB
promises less: each document becomes visible by itself, and a crash keeps those before it. The
fail point `applyBulkPiecemeal` makes the gateway do the same: `mode` counts the writes, and its
data can name a `collection`, and cut the client off after `closeAfter` documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from deploy.local.mongo.errors import Document
from deploy.local.mongo.fail_points import APPLY_BULK_PIECEMEAL, ClientCutOff, Data
from deploy.local.mongo.request import (
    BSON,
    STATEMENTS,
    Gateway,
    Request,
    bson_of,
    select,
    strip_envelope,
    touches_many,
)
from deploy.local.mongo.wire import Reply, decoded

WriteOne = Callable[[Gateway, Request], Reply]


def piecemeal_data(gateway: Gateway, request: Request) -> Data | None:
    """The fail point's data if it fires for this write, or None.

    The repetition of a cut write is piecemeal, too.
    """

    def applies(data: Data) -> bool:
        return data.get("collection") in (None, request.collection)

    data = gateway.fail_points.take(APPLY_BULK_PIECEMEAL, applies)
    repeated = gateway.fail_points.was_cut(APPLY_BULK_PIECEMEAL, request.retry_id)
    return {} if data is None and repeated else data


def write_piecemeal(gateway: Gateway, request: Request, data: Data, write_one: WriteOne) -> Reply:
    """Apply the write to each document in a transaction of its own.

    Each one has its own retry id, so that a repetition continues where the first try ended.
    Raises ClientCutOff after `closeAfter` documents.
    """
    merged: Document = {"ok": 1.0, "n": 0}
    for index, (position, operation) in enumerate(_operations(gateway, request)):
        _merge(merged, decoded(write_one(gateway, operation)), position)
        if index + 1 == data.get("closeAfter"):
            gateway.fail_points.remember_cut(APPLY_BULK_PIECEMEAL, request.retry_id)
            raise ClientCutOff(APPLY_BULK_PIECEMEAL)
        if "writeErrors" in merged and request.fields.get("ordered", True):
            break
    return merged


def _operations(gateway: Gateway, request: Request) -> list[tuple[int, Request]]:
    """The same command for each document alone, with the position of its operation."""
    name = STATEMENTS[request.name]
    spec = strip_envelope({k: v for k, v in request.fields.items() if k != name})
    single = [
        (position, one)
        for position, statement in enumerate(request.statements())
        for one in _one_by_one(gateway, request, statement)
    ]
    return [
        (
            position,
            replace(
                request,
                spec=spec,
                sequences={name: statement},
                retry_id=request.retry_id and f"{request.retry_id}:{index}",
            ),
        )
        for index, (position, statement) in enumerate(single)
    ]


def _one_by_one(gateway: Gateway, request: Request, statement: bytes) -> list[bytes]:
    """An update or delete of many documents as one for each document that it matches now."""
    operation = RawBSONDocument(statement)
    if request.name == "insert" or not touches_many(operation):
        return [statement]
    asked = {"distinct": request.collection, "key": "_id", "query": operation["q"]}
    sql = select("document", "distinct_query", "%s", BSON)
    found = bson.decode(bson_of(gateway.engine.row(sql, request.database, bson.encode(asked))))
    alone = {"multi": False} if request.name == "update" else {"limit": 1}
    return [
        bson.encode({**operation, "q": {"$and": [operation["q"], {"_id": key}]}, **alone})
        for key in found["values"]
    ] or [statement]


def _merge(merged: Document, reply: Mapping[str, Any], position: int) -> None:
    merged["n"] += reply["n"]
    if "nModified" in reply:
        merged["nModified"] = merged.get("nModified", 0) + reply["nModified"]
    for name in ("upserted", "writeErrors"):
        if found := reply.get(name):
            moved = [{**entry, "index": position} for entry in found]
            merged[name] = [*merged.get(name, []), *moved]
