"""MongoDB's wire protocol, the part that current drivers use: OP_MSG, and the old handshake."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

MESSAGE_BYTES_MAX = 48_000_000
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
WRITE_BATCH_MAX = 25_000

_HEADER = struct.Struct("<iiii")
_CHECKSUM_PRESENT, _MORE_TO_COME = 1, 2
_CHECKSUM_BYTES = 4


Reply = Mapping[str, Any] | bytes
"""An answer, as a document or as its BSON."""


class MalformedMessage(Exception):
    """The client does not speak this protocol; its connection is closed."""


@dataclass(frozen=True)
class Message:
    """One request: the command as BSON, and its attached documents as one block."""

    request_id: int
    command: bytes
    sequences: Mapping[str, bytes]
    wants_answer: bool
    is_handshake: bool = False


def read_message(stream: BinaryIO) -> Message | None:
    """The next request; None after the client has left. Raises MalformedMessage."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    length, request_id, _, opcode = _HEADER.unpack(header)
    if not _HEADER.size < length <= MESSAGE_BYTES_MAX + DOCUMENT_BYTES_MAX:
        raise MalformedMessage(f"a message of {length} bytes")
    body = stream.read(length - _HEADER.size)
    if len(body) < length - _HEADER.size:
        return None
    if opcode == OP_QUERY:  # drivers use it for their first hello only
        return Message(request_id, b"", {}, wants_answer=True, is_handshake=True)
    if opcode != OP_MSG:
        raise MalformedMessage(f"opcode {opcode}")
    try:
        return _parse_body(request_id, body)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage(str(error)) from error


def _parse_body(request_id: int, body: bytes) -> Message:
    (flags,) = struct.unpack_from("<I", body)
    end = len(body) - (_CHECKSUM_BYTES if flags & _CHECKSUM_PRESENT else 0)
    command, sequences, position = b"", {}, 4
    while position < end:
        kind, size = struct.unpack_from("<Bi", body, position)
        section = body[position + 1 : position + 1 + size]
        if size < 5 or len(section) < size:
            raise MalformedMessage(f"a section of {size} bytes")
        if kind == 0:
            command = section
        else:
            name_end = section.index(b"\0", 4)
            sequences[section[4:name_end].decode()] = section[name_end + 1 :]
        position += 1 + size
    return Message(request_id, command, sequences, wants_answer=not flags & _MORE_TO_COME)


def encode_reply(message: Message, reply: Reply, reply_id: int) -> bytes:
    """The bytes of the answer to `message`; `reply` may be BSON already."""
    document = reply if isinstance(reply, bytes) else bson.encode(reply)
    if message.is_handshake:
        opcode, body = OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + document
    else:
        opcode, body = OP_MSG, b"\0\0\0\0\0" + document
    return _HEADER.pack(_HEADER.size + len(body), reply_id, message.request_id, opcode) + body


def decoded(reply: Reply) -> dict[str, Any]:
    """A reply whose fields can be read and extended."""
    return bson.decode(reply) if isinstance(reply, bytes) else dict(reply)


def documents_in(block: bytes) -> list[bytes]:
    """Split a sequence of consecutive documents."""
    documents, position = [], 0
    while position < len(block):
        (size,) = struct.unpack_from("<i", block, position)
        documents.append(block[position : position + size])
        position += size
    return documents
