"""A parsed MongoDB command, and the objects that all handlers of commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from deploy.local.mongo.engine import Engine, OpenCursors
from deploy.local.mongo.errors import Document
from deploy.local.mongo.fail_points import FailPoints
from deploy.local.mongo.wire import Message, Reply, documents_in

# The field of a write that holds its operations.
STATEMENTS = {"insert": "documents", "update": "updates", "delete": "deletes"}
API = "documentdb_api"
BSON = "%b::bytea::documentdb_core.bson"
SEQUENCE = "%b::bytea::documentdb_core.bsonsequence"
# Fields of the connection, which the engine's command lacks.
_ENVELOPE = frozenset(
    {"$db", "lsid", "$clusterTime", "txnNumber", "startTransaction", "autocommit",
     "$readPreference", "readConcern", "writeConcern", "apiVersion"}
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A parsed command. `retry_id` is equal for the repetition of a write."""

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

    def statements(self) -> list[bytes]:
        """The operations of an insert, update or delete."""
        field = STATEMENTS[self.name]
        if (block := self.sequences.get(field)) is not None:
            return documents_in(block)
        return [statement.raw for statement in self.fields[field]]


@dataclass(frozen=True)
class Gateway:
    """The context of a command: this client's connection, and the objects of all clients."""

    engine: Engine
    cursors: OpenCursors
    fail_points: FailPoints
    hello: Callable[[], Document]


Handler = Callable[[Gateway, Request], Reply]


def select(columns: str, function: str, *arguments: str) -> str:
    """SQL that reads `columns` from one of the engine's functions."""
    return " ".join(("select", columns, "from", f"{API}.{function}({', '.join(arguments)})"))


def parse_request(message: Message) -> Request:
    """Parse a message. Raises bson.errors.BSONError or KeyError if it is not a command."""
    fields = RawBSONDocument(message.command)
    spec = strip_envelope(fields)
    retry_id = None
    if "txnNumber" in fields:
        retry_id = f"{fields['lsid'].raw.hex()}:{fields['txnNumber']}"
    return Request(
        next(iter(fields)), str(fields.get("$db", "admin")), fields, spec,
        message.sequences, retry_id,
    )  # fmt: skip


def strip_envelope(fields: Mapping[str, Any]) -> bytes:
    """The command in the engine's format."""
    return bson.encode({k: v for k, v in fields.items() if k not in _ENVELOPE})


def bson_of(row: tuple[Any, ...]) -> bytes:
    """The BSON of the engine's answer."""
    return bytes(row[0])


def touches_many(operation: Mapping[str, Any]) -> bool:
    """True if an update or a delete applies to all matching documents."""
    return bool(operation.get("multi")) or operation.get("limit") == 0
