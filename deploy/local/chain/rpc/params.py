"""Parameters and errors of JSON-RPC calls to the local chain, with the real server's codes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey
from solders.signature import Signature

from deploy.local.chain.base58 import base58_decode
from deploy.local.chain.blocks import Block, Commitment
from deploy.local.errors import LocalStackError

Json = Any
Config = Mapping[str, Json]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
BLOCK_CLEANED_UP = -32001
PREFLIGHT_FAILURE = -32002
SIGNATURE_VERIFICATION_FAILURE = -32003
BLOCK_NOT_AVAILABLE = -32004
NODE_UNHEALTHY = -32005
SLOT_SKIPPED = -32007
UNSUPPORTED_TRANSACTION_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016

MAX_BASE58_CHARACTERS = 1_683
"""The longest base58 text of a 1,232-byte transaction. Longer ones must be sent as base64."""


class RpcError(LocalStackError):
    """A failed call: the code, message and optional data of its error object."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        """Store the three fields of the error object."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def to_json(self) -> Json:
        """Return the error object."""
        error = {"code": self.code, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}


def invalid_params(message: str) -> RpcError:
    """Return the error for an unusable parameter."""
    return RpcError(INVALID_PARAMS, message)


def commitment_of(name: Json) -> Commitment:
    """Parse a commitment level; None means finalized."""
    if name is None:
        return Commitment.FINALIZED
    for commitment in Commitment:
        if commitment.label == name:
            return commitment
    raise invalid_params(
        f"Invalid params: unknown variant `{name}`, "
        "expected one of `processed`, `confirmed`, `finalized`."
    )


def with_context(bank: Block, value: Json) -> Json:
    """Wrap a value with the slot of its read."""
    return {"context": {"apiVersion": API_VERSION, "slot": bank.slot}, "value": value}


API_VERSION = "4.1.0"


class Params:
    """Positional parameters of one call. Each accessor refuses unusable values."""

    def __init__(self, raw: Json) -> None:
        """Take the `params` of a request: a list or None."""
        if raw is not None and not isinstance(raw, list):
            raise invalid_params("Invalid params: invalid type: map, expected an array")
        self._raw: list[Json] = raw or []

    def optional(self, index: int) -> Json:
        """Return a parameter, or None."""
        return self._raw[index] if index < len(self._raw) else None

    def required(self, index: int, kind: type, name: str) -> Json:
        """Return a parameter of one type."""
        value = self.optional(index)
        if index >= len(self._raw):
            raise invalid_params(f"`params` should have at least {index + 1} argument(s)")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise invalid_params(f"Invalid params: invalid type for {name}, expected {name}.")
        return value

    def text(self, index: int) -> str:
        """Return a string parameter."""
        return str(self.required(index, str, "a string"))

    def number(self, index: int) -> int:
        """Return an unsigned integer parameter."""
        value = int(self.required(index, int, "u64"))
        if not 0 <= value < 2**64:
            raise invalid_params("Invalid params: invalid value: expected u64.")
        return value

    def texts(self, index: int) -> list[str]:
        """Return a parameter that is a list of strings."""
        return [str(text) for text in self.required(index, list, "a sequence")]

    def pubkey(self, index: int) -> Pubkey:
        """Return an address parameter."""
        return pubkey(self.text(index))

    def config(self, index: int) -> Config:
        """Return the configuration object of a call, empty if there is none."""
        value = self.optional(index)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise invalid_params("Invalid params: invalid type, expected a configuration object.")
        return value


def pubkey(text: Json) -> Pubkey:
    """Parse an address."""
    if isinstance(text, str):
        try:
            return Pubkey.from_string(text)
        except ValueError:
            pass
    raise invalid_params("Invalid param: Invalid")


def signature(text: Json) -> Signature:
    """Parse a signature."""
    if isinstance(text, str):
        try:
            return Signature.from_string(text)
        except ValueError:
            pass
    raise invalid_params("Invalid param: Invalid")


def blockhash(text: str) -> Hash:
    """Parse a blockhash."""
    try:
        return Hash.from_string(text)
    except ParseHashError as error:
        raise invalid_params(f"Invalid param: {error}") from error


def wire_bytes(text: str, encoding: Json) -> bytes:
    """Decode a transaction or message from a client's text."""
    if encoding == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid_params(f"invalid base64 encoding: {error}") from error
    if encoding not in (None, "base58"):
        raise invalid_params(
            f"unsupported encoding: {encoding}. Supported encodings: base58, base64"
        )
    if len(text) > MAX_BASE58_CHARACTERS:
        raise invalid_params(
            "base58 encoded solana_transaction::versioned::VersionedTransaction too large: "
            f"{len(text)} bytes (max: encoded/raw {MAX_BASE58_CHARACTERS}/1232)"
        )
    try:
        return base58_decode(text)
    except ValueError as error:
        raise invalid_params(f"invalid base58 encoding: {error}") from error
