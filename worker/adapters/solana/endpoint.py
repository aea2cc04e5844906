"""One RPC endpoint: batches, bounded retries, and nothing of its URL in any message."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from solana.exceptions import SolanaRpcException
from solana.rpc.async_http_provider import AsyncHTTPProvider

from worker.adapters.solana.concurrency import AdaptiveLimit
from worker.adapters.solana.errors import EndpointUnusable
from worker.core.errors import Unreachable

rpc_errors: Counter[str] = Counter()
"""Failed requests of this process by kind (`429`, `timeout`, `rpc -32005`, ...), for metrics."""

READ_ATTEMPTS = 5
BACKOFF_SECONDS = 0.25
BACKOFF_SECONDS_MAX = 8.0
RETRY_AFTER_SECONDS_MAX = 30.0
BATCH_CALLS_MAX = 20
BATCH_BYTES_MAX = 40_000
"""Agave refuses request bodies above 50 KiB."""

RETRYABLE_CODES = frozenset({-32004, -32005, -32014, -32016, -32429, 429})
"""JSON-RPC errors that pass: the node is behind, a block is not there yet, or too many requests."""

for _name in ("httpx2", "httpcore2", "solana"):
    # They log full URLs, and an RPC URL may contain an API key.
    logging.getLogger(_name).setLevel(logging.WARNING)


class Call(NamedTuple):
    method: str
    params: list[Any]


@dataclass(frozen=True, slots=True)
class RpcError:
    """What an endpoint answered instead of a result."""

    code: int
    message: str


Reply = Any
"""The `result` of a call, or an `RpcError`."""


class _Failure(Exception):
    """A request that got no answer to its calls."""

    def __init__(self, kind: str, *, passes: bool, retry_after_seconds: float = 0.0) -> None:
        self.kind = kind
        self.passes = passes
        self.retry_after_seconds = retry_after_seconds
        super().__init__(kind)


class _Body:
    """A JSON-RPC body, as the provider wants one."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


class Endpoint:
    """Sends calls to one URL. Belongs to one event loop."""

    def __init__(self, url: str, host: str, timeout_seconds: float) -> None:
        self.host = host
        self._provider = AsyncHTTPProvider(
            url, timeout=timeout_seconds, max_transport_retries=0, max_connections=40
        )
        self._limit = AdaptiveLimit()
        self._takes_batches = True

    async def close(self) -> None:
        await self._provider.close()

    async def read(self, calls: Sequence[Call]) -> list[Reply]:
        """Replies in order; what may pass is asked for again, a bounded number of times.

        Raises:
            Unreachable: some call got no answer at all.
        """
        replies: list[Reply] = [None] * len(calls)
        groups = [self._read_group(calls, group, replies) for group in _groups(calls)]
        await asyncio.gather(*groups)
        return replies

    async def send_once(self, calls: Sequence[Call]) -> list[Reply | None]:
        """Replies in order without any retry; None where what happened is unknown."""
        replies: list[Reply | None] = [None] * len(calls)

        async def send(group: list[int]) -> None:
            try:
                answered = await self._request([calls[index] for index in group])
            except _Failure:
                return
            for index, reply in zip(group, answered, strict=True):
                replies[index] = reply

        await asyncio.gather(*(send(group) for group in _groups(calls)))
        return replies

    async def _read_group(
        self, calls: Sequence[Call], group: list[int], replies: list[Reply]
    ) -> None:
        pending = group
        failure: _Failure | None = None
        for attempt in range(READ_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_pause_seconds(attempt, failure))
            failure = None
            try:
                answered = await self._request([calls[index] for index in pending])
            except _Failure as error:
                failure = error
                if not error.passes:
                    break
                continue
            for index, reply in zip(pending, answered, strict=True):
                replies[index] = reply
            pending = [index for index in pending if _passes(replies[index])]
            if not pending:
                return
        if failure is not None:
            raise Unreachable(f"{self.host} did not answer: {failure.kind}")
        first = replies[pending[0]]
        raise Unreachable(f"{self.host} cannot answer now: {first.message}")

    async def _request(self, calls: Sequence[Call]) -> list[Reply]:
        """One HTTP request, or one for each call where the endpoint takes no batches."""
        if len(calls) == 1 or not self._takes_batches:
            single = (self._post([call], as_batch=False) for call in calls)
            return [replies[0] for replies in await asyncio.gather(*single)]
        try:
            return await self._post(calls, as_batch=True)
        except _Failure as failure:
            if failure.kind != NO_BATCH:
                raise
            self._takes_batches = False
        return await self._request(calls)

    async def _post(self, calls: Sequence[Call], *, as_batch: bool) -> list[Reply]:
        numbered = [_numbered(index, call) for index, call in enumerate(calls)]
        text = json.dumps(numbered if as_batch else numbered[0], separators=(",", ":"))
        async with self._limit.slot() as ticket:
            try:
                answer = await self._provider.make_request_unparsed(_Body(text))
                replies = _replies(answer, len(calls), as_batch=as_batch)
            except SolanaRpcException as error:
                failure = _failure_of(error.__cause__, as_batch=as_batch)
            except _Failure as error:
                failure = error
            else:
                self._heed(replies, ticket)
                return replies
        if failure.kind == "429":
            self._limit.cut(ticket)
        rpc_errors[failure.kind] += 1
        raise failure from None

    def _heed(self, replies: list[Reply], ticket: int) -> None:
        """Count errors, and slow down where an answer in itself says "too many requests"."""
        errors = [reply for reply in replies if isinstance(reply, RpcError)]
        for error in errors:
            rpc_errors[f"rpc {error.code}"] += 1
        if any(error.code in (429, -32429) for error in errors):
            self._limit.cut(ticket)
        else:
            self._limit.grow()


NO_BATCH = "no batches"


def host_of(url: str, position: int) -> str:
    """What of an endpoint may be shown.

    Raises:
        EndpointUnusable: not an http(s) URL with a host.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointUnusable(position, "it must begin with http:// or https:// and a host")
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        raise EndpointUnusable(position, "it is not a URL") from None


def _groups(calls: Sequence[Call]) -> list[list[int]]:
    """Indices of calls that go into one request each."""
    groups: list[list[int]] = []
    size = 0
    for index, call in enumerate(calls):
        length = 100 + len(str(call.params))
        full = not groups or len(groups[-1]) == BATCH_CALLS_MAX or size + length > BATCH_BYTES_MAX
        if full:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += length
    return groups


def _numbered(index: int, call: Call) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}


def _replies(answer: str, count: int, *, as_batch: bool) -> list[Reply]:
    try:
        body = json.loads(answer)
        if as_batch and isinstance(body, dict):
            # One error for the whole batch: some providers do not take any.
            passes = _passes(_reply(body))
            raise _Failure("429" if passes else NO_BATCH, passes=passes)
        by_id = {item["id"]: item for item in (body if as_batch else [body])}
        return [_reply(by_id[index]) for index in range(count)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _Failure("malformed answer", passes=True) from None


def _reply(item: dict[str, Any]) -> Reply:
    error = item.get("error")
    if error is None:
        return item["result"]
    code = error.get("code")
    return RpcError(code if isinstance(code, int) else 0, str(error.get("message"))[:300])


def _passes(reply: Reply) -> bool:
    return isinstance(reply, RpcError) and reply.code in RETRYABLE_CODES


def _failure_of(cause: BaseException | None, *, as_batch: bool) -> _Failure:
    if isinstance(cause, httpx2.HTTPStatusError):
        status = cause.response.status_code
        if status == 429:
            return _Failure("429", passes=True, retry_after_seconds=_retry_after(cause.response))
        if as_batch and status in (400, 405, 413):
            return _Failure(NO_BATCH, passes=True)
        return _Failure("5xx" if status >= 500 else f"http {status}", passes=status >= 500)
    if isinstance(cause, httpx2.TimeoutException):
        return _Failure("timeout", passes=True)
    return _Failure("connection", passes=True)


def _retry_after(response: httpx2.Response) -> float:
    try:
        seconds = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def _pause_seconds(attempt: int, failure: _Failure | None) -> float:
    """Exponential with full jitter, and never before the moment the endpoint asked for."""
    longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2**attempt)
    asked = failure.retry_after_seconds if failure else 0.0
    return asked + random.uniform(longest / 4, longest)
