"""The sizes of requests: lists of accounts or signatures, and pages of history.

A provider's plan may allow fewer items than a node, so an endpoint's sizes shrink with its
refusals, and are forgotten after some minutes: a refusal may have been a bad moment's. Replies to
the parts of a call are joined, so that a caller always gets its own size.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from worker.adapters.solana.rpc.calls import Call, Reply, RpcError

REMEMBERED_SECONDS = 600.0
"""A smaller size is used for this long. Then the full one is tried again: an endpoint whose plan
allows less refuses some requests in each such time."""

GET_MULTIPLE_ACCOUNTS_MAX = 100
SIGNATURE_STATUSES_MAX = 256

_LISTS = frozenset({"getMultipleAccounts", "getSignatureStatuses"})
_PAGE = "getSignaturesForAddress"
_NOT_ABOUT_SIZE = frozenset({-32601, -32603, -32700})
"""No such method, an internal error, and a body that cannot be read."""


def is_remembered(refused_at: float) -> bool:
    """Whether a refusal at this monotonic time still makes requests smaller."""
    return time.monotonic() - refused_at < REMEMBERED_SECONDS


def size_of(call: Call) -> int:
    """The number of items that a call asks for; 1 for a call without a size."""
    if call.method in _LISTS:
        return len(call.params[0])
    return int(call.params[1]["limit"]) if call.method == _PAGE else 1


def may_be_too_large(call: Call, reply: Reply) -> bool:
    """Whether a smaller call may succeed. Providers use different codes for their limits."""
    return (
        isinstance(reply, RpcError)
        and not reply.passes
        and reply.code not in _NOT_ABOUT_SIZE
        and size_of(call) > 1
    )


def parts_of(call: Call, size: int) -> list[Call]:
    """The call as calls of at most this size. A page has one part: its newest entries."""
    if size_of(call) <= size:
        return [call]
    if call.method == _PAGE:
        return [page_part(call, size, None)]
    items, *options = call.params
    return [
        Call(call.method, [items[first : first + size], *options])
        for first in range(0, len(items), size)
    ]


def page_part(call: Call, limit: int, before: str | None) -> Call:
    """A page of at most `limit` entries, older than `before` if it is given."""
    address, options = call.params
    changed = options | {"limit": limit} | ({"before": before} if before is not None else {})
    return Call(call.method, [address, changed])


def is_short_page(call: Call, part: Call, reply: Reply) -> bool:
    """Whether a page was asked for in a smaller size, and more of it is left."""
    limit = size_of(part)
    return (
        call.method == _PAGE
        and limit < size_of(call)
        and isinstance(reply, list)
        and len(reply) >= limit
    )


def joined(replies: Sequence[Reply]) -> Reply:
    """One reply of a list's parts, at the lowest of their slots. An error replaces all of them."""
    if len(replies) == 1:
        return replies[0]
    for reply in replies:
        if isinstance(reply, RpcError):
            return reply
    try:
        values: list[Any] = [value for reply in replies for value in reply["value"]]
        slot = min(reply["context"]["slot"] for reply in replies)
    except (KeyError, TypeError):
        return None  # an odd part makes the whole reply odd
    return {"context": {"slot": slot}, "value": values}
