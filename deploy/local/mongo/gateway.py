"""MongoDB's wire protocol in front of DocumentDB: `python -m deploy.local.mongo.gateway`.

Each client connection has one thread and at most one PostgreSQL connection. The gateway presents
itself as the primary of a replica set, because drivers retry writes only then. It is for this
machine only: it has no authentication and no multi-document transactions. Any client may set fail
points.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import socketserver
import sys
import traceback
from datetime import UTC, datetime

import psycopg
from bson.errors import BSONError

from deploy.local.mongo.commands import run_command
from deploy.local.mongo.documentdb_sql import GATEWAY_SQL
from deploy.local.mongo.engine import Engine, EngineUnreachable, OpenCursors
from deploy.local.mongo.errors import INTERNAL_ERROR, Document, failure
from deploy.local.mongo.fail_points import ClientCutOff, FailPoints
from deploy.local.mongo.request import Gateway, parse_request
from deploy.local.mongo.wire import (
    DOCUMENT_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    WRITE_BATCH_MAX,
    MalformedMessage,
    Message,
    Reply,
    encode_reply,
    read_message,
)
from deploy.local.service import LOOPBACK


class GatewayServer(socketserver.ThreadingTCPServer):
    """Accepts clients, and holds their shared cursors."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, dsn: str) -> None:
        super().__init__((LOOPBACK, port), _Client)
        self.dsn = dsn
        self.cursors = OpenCursors()
        self.fail_points = FailPoints()
        self.reply_ids = itertools.count(1)

    def hello(self) -> Document:
        me = f"{LOOPBACK}:{self.server_address[1]}"
        return {
            "isWritablePrimary": True, "ismaster": True, "secondary": False, "readOnly": False,
            "helloOk": True, "setName": "local", "setVersion": 1, "hosts": [me], "primary": me,
            "me": me, "logicalSessionTimeoutMinutes": 30, "localTime": datetime.now(UTC),
            "maxBsonObjectSize": DOCUMENT_BYTES_MAX, "maxMessageSizeBytes": MESSAGE_BYTES_MAX,
            "maxWriteBatchSize": WRITE_BATCH_MAX, "minWireVersion": 0, "maxWireVersion": 21,
            "ok": 1.0,
        }  # fmt: skip


class _Client(socketserver.BaseRequestHandler):
    """One client connection, from its first hello to its end."""

    server: GatewayServer
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        engine = Engine(self.server.dsn)
        server = self.server
        gateway = Gateway(engine, server.cursors, server.fail_points, server.hello)
        try:
            with self.request.makefile("rb") as stream:
                while message := read_message(stream):
                    reply = _answer(gateway, message)
                    if message.wants_answer:
                        reply_id = next(self.server.reply_ids) & 0x7FFF_FFFF
                        self.request.sendall(encode_reply(message, reply, reply_id))
        except (OSError, MalformedMessage, EngineUnreachable, ClientCutOff) as error:
            # Every driver understands a closed connection, and repeats the command if it may.
            print(f"closing a client's connection: {error!r}", file=sys.stderr)  # noqa: T201 - log
        finally:
            engine.close()


def _answer(gateway: Gateway, message: Message) -> Reply:
    """The reply to any message. Raises only EngineUnreachable and ClientCutOff."""
    if message.is_handshake:
        return gateway.hello()
    try:
        return run_command(gateway, parse_request(message))
    except (EngineUnreachable, ClientCutOff):
        raise
    except (BSONError, AttributeError, LookupError, TypeError, ValueError, StopIteration) as error:
        return failure(9, "FailedToParse", f"the command is malformed: {error!r}")
    except Exception as error:  # noqa: BLE001 - a bug here must not end the client's connection
        traceback.print_exc()
        return failure(INTERNAL_ERROR, "InternalError", repr(error))


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--dsn", required=True, help="PostgreSQL with DocumentDB, as for psycopg")
    options = parser.parse_args()
    with psycopg.connect(options.dsn, autocommit=True) as connection:
        for statement in GATEWAY_SQL:
            connection.execute(statement)
    with GatewayServer(options.port, options.dsn) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
