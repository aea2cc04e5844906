"""Bulk writes applied one operation at a time, as MongoDB applies them.

The engine runs a bulk write in one transaction, so a crash never leaves half of one. MongoDB
promises less: each operation becomes visible by itself, and a crash keeps those before it. The
fail point `applyBulkPiecemeal` makes the gateway do the same: `mode` counts the bulk writes, and
its data can name a `collection`, and cut the client off with `closeAfter` operations applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from deploy.local.mongo.errors import Document
from deploy.local.mongo.fail_points import APPLY_BULK_PIECEMEAL, ClientCutOff, Data
from deploy.local.mongo.request import STATEMENTS, Gateway, Request, strip_envelope
from deploy.local.mongo.wire import Reply, decoded

WriteOne = Callable[[Gateway, Request], Reply]


def piecemeal_data(gateway: Gateway, request: Request) -> Data | None:
    """The fail point's data if it fires for this bulk write, or None."""

    def applies(data: Data) -> bool:
        return data.get("collection") in (None, request.collection)

    return gateway.fail_points.take(APPLY_BULK_PIECEMEAL, applies)


def write_piecemeal(gateway: Gateway, request: Request, data: Data, write_one: WriteOne) -> Reply:
    """Apply each operation in a transaction of its own.

    Each operation has its own retry id, so that a repetition continues where the first try ended.
    Raises ClientCutOff after `closeAfter` operations.
    """
    merged: Document = {"ok": 1.0, "n": 0}
    applied_max = data.get("closeAfter")
    operations = _operations(request)
    for index, operation in enumerate(operations):
        if index == applied_max:
            raise ClientCutOff(APPLY_BULK_PIECEMEAL)
        reply = write_one(gateway, operation)
        _merge(merged, decoded(reply), index)
        if "writeErrors" in merged and request.fields.get("ordered", True):
            break
    if len(operations) == applied_max:
        raise ClientCutOff(APPLY_BULK_PIECEMEAL)
    return merged


def _operations(request: Request) -> list[Request]:
    """The same command for each of its operations alone."""
    name = STATEMENTS[request.name]
    spec = strip_envelope({k: v for k, v in request.fields.items() if k != name})
    return [
        replace(
            request,
            spec=spec,
            sequences={name: statement},
            retry_id=request.retry_id and f"{request.retry_id}:{index}",
        )
        for index, statement in enumerate(request.statements())
    ]


def _merge(merged: Document, reply: Mapping[str, Any], index: int) -> None:
    merged["n"] += reply["n"]
    if "nModified" in reply:
        merged["nModified"] = merged.get("nModified", 0) + reply["nModified"]
    for name in ("upserted", "writeErrors"):
        if found := reply.get(name):
            moved = [{**entry, "index": index} for entry in found]
            merged[name] = [*merged.get(name, []), *moved]
