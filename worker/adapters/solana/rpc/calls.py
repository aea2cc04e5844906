"""JSON-RPC calls as text, and answers as replies. No network here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

BATCH_CALLS_MAX = 20
BATCH_BYTES_MAX = 40_000
"""Agave refuses request bodies above 50 KiB."""

RETRYABLE_CODES = frozenset({-32004, -32005, -32014, -32016, -32429, 429})
"""Temporary JSON-RPC errors: the node is behind, a block is missing yet, too many requests."""

TOO_MANY_CODES = frozenset({-32429, 429})
BEHIND_CODE = -32016
"""The node has not reached the `minContextSlot` of the call."""
_MESSAGE_LENGTH_MAX = 300


class Call(NamedTuple):
    method: str
    params: list[Any]


@dataclass(frozen=True, slots=True)
class RpcError:
    """An endpoint's error in place of a result."""

    code: int
    message: str
    context_slot: int | None = None
    """The slot of a node that has not reached the `minContextSlot` of the call."""

    @property
    def passes(self) -> bool:
        """True if a later retry may help."""
        return self.code in RETRYABLE_CODES


Reply = Any
"""The `result` of a call, or an `RpcError`."""


class MalformedBody(Exception):
    """A response body that does not answer the calls."""


class BatchRefused(Exception):
    """One error for a whole batch. Some providers refuse every batch."""

    def __init__(self, error: RpcError) -> None:
        self.error = error
        super().__init__(error.message)


def body_of(calls: Sequence[Call], *, as_batch: bool) -> str:
    """The request body: a list of calls, or a single call without a list."""
    numbered = [
        {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}
        for index, call in enumerate(calls)
    ]
    return json.dumps(numbered if as_batch else numbered[0], separators=(",", ":"))


def replies_in(body: str, count: int, *, as_batch: bool) -> list[Reply]:
    """Replies in the order of the calls. The body may hold them in any order.

    Raises:
        BatchRefused: one error answers the whole batch.
        MalformedBody: the body does not answer each call.
    """
    try:
        content = from_json(body, cache_strings="keys")
        if as_batch and isinstance(content, dict):
            refusal = _reply(content)
            raise BatchRefused(refusal) if isinstance(refusal, RpcError) else MalformedBody
        by_id = {item["id"]: item for item in (content if as_batch else [content])}
        return [_reply(by_id[index]) for index in range(count)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MalformedBody from None


def _reply(item: dict[str, Any]) -> Reply:
    error = item.get("error")
    if error is None:
        return item["result"]
    code, data = error.get("code"), error.get("data")
    message = str(error.get("message"))[:_MESSAGE_LENGTH_MAX]
    slot = data.get("contextSlot") if isinstance(data, dict) else None
    return RpcError(
        code if isinstance(code, int) else 0, message, slot if isinstance(slot, int) else None
    )


def error_in(body: str) -> RpcError | None:
    """The JSON-RPC error in the body of a response, if it holds one."""
    try:
        found = _reply(from_json(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if isinstance(found, RpcError) else None


def groups_of(calls: Sequence[Call], calls_max: int = BATCH_CALLS_MAX) -> list[list[int]]:
    """The calls of each request, as indices."""
    groups: list[list[int]] = []
    size = 0
    for index, call in enumerate(calls):
        length = 100 + len(str(call.params))
        full = not groups or len(groups[-1]) == calls_max or size + length > BATCH_BYTES_MAX
        if full:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += length
    return groups
