"""One RPC endpoint: batches, bounded retries, and messages that hide its URL."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from solana.exceptions import SolanaRpcException
from solana.rpc.async_http_provider import AsyncHTTPProvider

from worker.adapters.solana.errors import EndpointUnusable
from worker.adapters.solana.rpc.calls import (
    TOO_MANY_CODES,
    BatchRefused,
    Call,
    MalformedBody,
    Reply,
    RpcError,
    body_of,
    groups_of,
    replies_in,
)
from worker.adapters.solana.rpc.concurrency import LIMIT_MAX, AdaptiveLimit
from worker.core.errors import Unreachable

rpc_errors: Counter[str] = Counter()
"""Failed requests of this process by kind (`429`, `timeout`, `rpc -32005`, ...), for metrics."""

RETRY_AFTER_SECONDS_MAX = 30.0

for _name in ("httpx2", "httpcore2", "solana"):
    # These libraries log full URLs, and an RPC URL may contain an API key.
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Retries:
    """The number of tries of a read, and the bounds of the pauses between them."""

    attempts: int = 5
    backoff_seconds: float = 0.25
    backoff_seconds_max: float = 8.0

    def pause_seconds(self, attempt: int, failure: _Failure | None) -> float:
        """Exponential with jitter, and at least as long as the endpoint asked for."""
        longest = min(self.backoff_seconds_max, self.backoff_seconds * 2**attempt)
        asked = failure.retry_after_seconds if failure else 0.0
        return asked + random.uniform(longest / 4, longest)


DEFAULT_RETRIES = Retries()


class _Failure(Exception):
    """A request without an answer to its calls."""

    def __init__(
        self,
        kind: str,
        *,
        passes: bool = True,
        refuses_batches: bool = False,
        retry_after_seconds: float = 0.0,
    ) -> None:
        self.kind = kind
        self.passes = passes
        self.refuses_batches = refuses_batches
        self.retry_after_seconds = retry_after_seconds
        super().__init__(kind)


class _Body:
    """A request body in the form that the provider of the `solana` package takes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


class Endpoint:
    """Sends calls to one URL. Belongs to one event loop."""

    def __init__(self, url: str, host: str, timeout_seconds: float, retries: Retries) -> None:
        self.host = host
        self._retries = retries
        self._provider = AsyncHTTPProvider(
            url,
            timeout=timeout_seconds,
            max_transport_retries=0,
            max_connections=int(LIMIT_MAX),
        )
        self._limit = AdaptiveLimit()
        self._takes_batches = True

    async def close(self) -> None:
        await self._provider.close()

    async def read(self, calls: Sequence[Call]) -> list[Reply]:
        """Return the replies in order. Temporary failures are retried a bounded number of times.

        Raises:
            Unreachable: a call got no answer.
        """
        replies: list[Reply] = [None] * len(calls)
        groups = (self._read_group(calls, group, replies) for group in groups_of(calls))
        await asyncio.gather(*groups)
        return replies

    async def send_once(self, calls: Sequence[Call]) -> list[Reply | None]:
        """Return the replies in order, without retries; None if a call's outcome is unknown."""
        replies: list[Reply | None] = [None] * len(calls)

        async def send(group: list[int]) -> None:
            try:
                answered = await self._request([calls[index] for index in group])
            except _Failure:
                return
            for index, reply in zip(group, answered, strict=True):
                replies[index] = reply

        await asyncio.gather(*(send(group) for group in groups_of(calls)))
        return replies

    async def _read_group(
        self, calls: Sequence[Call], group: list[int], replies: list[Reply]
    ) -> None:
        pending, failure = group, None
        for attempt in range(self._retries.attempts):
            if attempt:
                await asyncio.sleep(self._retries.pause_seconds(attempt, failure))
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
        why = failure.kind if failure is not None else replies[pending[0]].message
        raise Unreachable(f"{self.host} does not answer {calls[pending[0]].method}: {why}")

    async def _request(self, calls: Sequence[Call]) -> list[Reply]:
        """One HTTP request, or one for each call if the endpoint refuses batches."""
        if len(calls) > 1 and self._takes_batches:
            try:
                return await self._post(calls, as_batch=True)
            except _Failure as failure:
                if not failure.refuses_batches:
                    raise
                self._takes_batches = False
        single = (self._post([call], as_batch=False) for call in calls)
        return [replies[0] for replies in await asyncio.gather(*single)]

    async def _post(self, calls: Sequence[Call], *, as_batch: bool) -> list[Reply]:
        body = _Body(body_of(calls, as_batch=as_batch))
        async with self._limit.slot() as ticket:
            try:
                answer = await self._provider.make_request_unparsed(body)
                replies = replies_in(answer, len(calls), as_batch=as_batch)
            except (SolanaRpcException, MalformedBody, BatchRefused) as error:
                failure = _failure_of(error, as_batch=as_batch)
                rpc_errors[failure.kind] += 1
                if failure.kind == "429":
                    self._limit.cut(ticket)
            else:
                self._heed(replies, ticket)
                return replies
        # Outside of the handler: the provider's own exception carries the URL.
        raise failure

    def _heed(self, replies: list[Reply], ticket: int) -> None:
        """Count errors, and slow down if a reply inside the batch says "too many requests"."""
        errors = [reply for reply in replies if isinstance(reply, RpcError)]
        for error in errors:
            rpc_errors[f"rpc {error.code}"] += 1
        if any(error.code in TOO_MANY_CODES for error in errors):
            self._limit.cut(ticket)
        else:
            self._limit.grow()


def host_of(url: str, position: int) -> str:
    """The host and port of an endpoint, which messages may show.

    Raises:
        EndpointUnusable: not an http(s) URL with a host.
    """
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        raise EndpointUnusable(position, "it is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise EndpointUnusable(position, "it must begin with http:// or https:// and a host")
    return host


def _passes(reply: Reply) -> bool:
    return isinstance(reply, RpcError) and reply.passes


def _failure_of(error: Exception, *, as_batch: bool) -> _Failure:
    if isinstance(error, BatchRefused):
        too_many = error.error.passes
        return _Failure("429" if too_many else "no batches", refuses_batches=not too_many)
    if isinstance(error, MalformedBody):
        return _Failure("malformed answer")
    cause = error.__cause__
    if isinstance(cause, httpx2.HTTPStatusError):
        return _failure_of_status(cause.response, as_batch=as_batch)
    return _Failure("timeout" if isinstance(cause, httpx2.TimeoutException) else "connection")


def _failure_of_status(response: httpx2.Response, *, as_batch: bool) -> _Failure:
    status = response.status_code
    if status == 429:
        return _Failure("429", retry_after_seconds=_retry_after_seconds(response))
    if as_batch and status in (400, 405, 413):
        return _Failure("no batches", refuses_batches=True)
    return _Failure("5xx" if status >= 500 else f"http {status}", passes=status >= 500)


def _retry_after_seconds(response: httpx2.Response) -> float:
    try:
        seconds = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)
