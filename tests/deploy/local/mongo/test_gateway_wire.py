"""The MongoDB of the local stack: bytes that no driver sends."""

from __future__ import annotations

import random
import socket
import struct
from typing import Any

import bson
import pytest
from bson import Binary, Int64

from deploy.local.service import LOOPBACK
from deploy.local.stack import LocalStack
from tests.deploy.local.mongo.gateway_helpers import Documents, in_parallel

pytestmark = pytest.mark.real


class RawClient:
    """A connection that sends exactly the given bytes, unlike any driver."""

    def __init__(self, stack: LocalStack) -> None:
        port = next(s.port for s in stack.status() if s.name == "mongo")
        assert port is not None
        self.socket = socket.create_connection((LOOPBACK, port), timeout=10)
        self.stream = self.socket.makefile("rb")
        self.session = {"id": Binary(random.randbytes(16), 4)}

    def send(self, body: bytes, opcode: int = 2013) -> None:
        self.socket.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, opcode) + body)

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        self.send(b"\0\0\0\0\0" + bson.encode(command))
        (length, *_) = struct.unpack("<iiii", self.stream.read(16))
        return bson.decode(self.stream.read(length - 16)[5:])

    def write_twice(self, command: dict[str, Any], number: int) -> list[dict[str, Any]]:
        """Send a write twice, like a driver that did not get the first answer."""
        retryable = {**command, "lsid": self.session, "txnNumber": Int64(number)}
        return [self.command(retryable) for _ in range(2)]


@pytest.fixture
def raw(stack: LocalStack) -> RawClient:
    return RawClient(stack)


class TestRepeatedWrites:
    def test_a_repeated_write_happens_once_and_is_answered_twice(
        self, database: Documents, raw: RawClient
    ) -> None:
        add_one = {"$inc": {"n": 1}}
        commands: list[dict[str, Any]] = [
            {"insert": "t", "documents": [{"_id": 1, "n": 0}]},
            {"insert": "t", "documents": [{"_id": 2, "n": 0}, {"_id": 3, "n": 0}]},
            {"update": "t", "updates": [{"q": {"_id": 1}, "u": add_one}]},
            {"update": "t", "updates": [{"q": {"_id": i}, "u": add_one} for i in (1, 2, 3)]},
            {"update": "t", "updates": [{"q": {"_id": 4}, "u": add_one, "upsert": True}]},
            {"findAndModify": "t", "query": {"_id": 2}, "update": add_one, "new": True},
            {"delete": "t", "deletes": [{"q": {"n": 1}, "limit": 1}]},
        ]

        for number, command in enumerate(commands):
            first, second = raw.write_twice({**command, "$db": database.name}, number)
            assert first == second, command
            assert first["ok"] == 1.0

        # After all commands: documents 1 and 2 hold 2, documents 3 and 4 held 1, and one of 3 and 4
        # is deleted.
        assert sorted(d["n"] for d in database.t.find()) == [1, 2, 2]

    def test_two_repetitions_at_once_happen_once(
        self, database: Documents, stack: LocalStack
    ) -> None:
        database.t.insert_many([{"_id": i, "n": 0} for i in range(200)])
        updates = [{"q": {"_id": i}, "u": {"$inc": {"n": 1}}} for i in range(200)]
        session, answers = {"id": Binary(random.randbytes(16), 4)}, list[dict[str, Any]]()

        def write() -> None:
            answers.append(
                RawClient(stack).command(
                    {"update": "t", "updates": updates, "lsid": session, "txnNumber": Int64(1),
                     "$db": database.name}
                )
            )  # fmt: skip

        in_parallel(write, threads=4)

        assert {answer["nModified"] for answer in answers} == {200}
        assert {d["n"] for d in database.t.find()} == {1}


class TestBadClients:
    @pytest.mark.parametrize(
        ("body", "opcode"),
        [
            pytest.param(b"", 2013, id="empty"),
            pytest.param(b"\0\0\0\0\0\xff\xff\xff\xff", 2013, id="negative section length"),
            pytest.param(b"\0\0\0\0\1\x08\0\0\0abcd", 2013, id="sequence without a name"),
            pytest.param(b"hello", 4711, id="unknown opcode"),
        ],
    )
    def test_nonsense_ends_that_connection_only(
        self, raw: RawClient, database: Documents, body: bytes, opcode: int
    ) -> None:
        raw.send(body, opcode)

        assert raw.stream.read() == b""
        assert database.command("ping") == {"ok": 1.0}

    def test_broken_bson_is_an_error_and_not_the_end(self, raw: RawClient) -> None:
        raw.send(b"\0\0\0\0\0" + struct.pack("<i", 9) + b"\x7fxyz\0")
        (length, *_) = struct.unpack("<iiii", raw.stream.read(16))
        answer = bson.decode(raw.stream.read(length - 16)[5:])

        assert answer["code"] == 9
        assert raw.command({"ping": 1, "$db": "admin"}) == {"ok": 1.0}

    def test_a_client_that_leaves_in_the_middle_does_no_harm(
        self, raw: RawClient, database: Documents
    ) -> None:
        raw.socket.sendall(struct.pack("<iiii", 5_000, 1, 0, 2013) + b"half")
        raw.stream.close()
        raw.socket.close()

        assert database.command("ping") == {"ok": 1.0}

    def test_a_write_that_is_not_an_object_is_refused(self, raw: RawClient) -> None:
        answer = raw.command({"insert": "t", "documents": [1, 2], "$db": "nowhere"})

        assert answer["ok"] == 0.0
