"""Posts calls to one URL, as batches or one by one, and counts the errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from solana.exceptions import SolanaRpcException
from solana.rpc.async_http_provider import AsyncHTTPProvider

from config.secrets import Hiding, secrets_in_url
from worker.adapters.solana.rpc.calls import (
    BATCH_CALLS_MAX,
    TOO_MANY_CODES,
    BatchRefused,
    Call,
    MalformedBody,
    Reply,
    RpcError,
    body_of,
    replies_in,
)
from worker.adapters.solana.rpc.concurrency import LIMIT_MAX, AdaptiveLimit, CallRate
from worker.adapters.solana.rpc.failures import SLOW_DOWN_KINDS, Failure, failure_of
from worker.adapters.solana.rpc.sizes import is_remembered

rpc_calls: Counter[str] = Counter()
"""Calls of this process by method, each call of a batch counted, for metrics. Refused ones and
retries count, too, since providers charge and limit them."""
rpc_errors: Counter[str] = Counter()
"""Failed requests of this process by kind (`429`, `timeout`, `rpc -32005`, ...), for metrics."""

for _name in ("httpx2", "httpcore2", "solana"):
    # These libraries log full URLs, and an RPC URL may contain an API key.
    logging.getLogger(_name).setLevel(logging.WARNING)


class _Body:
    """A request body in the form that the provider of the `solana` package takes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


class Transport:
    """Connections to one URL. Belongs to one event loop."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._provider = AsyncHTTPProvider(
            url,
            timeout=timeout_seconds,
            max_transport_retries=0,
            max_connections=int(LIMIT_MAX),
        )
        self._limit, self._rate = AdaptiveLimit(), CallRate()
        self._hiding = Hiding(secrets_in_url(url))
        """A provider's sentence may repeat the API key in the URL."""
        self._smaller_batch, self._refused_at = BATCH_CALLS_MAX, 0.0

    @property
    def batch_calls_max(self) -> int:
        """The calls of a batch: fewer for some minutes after the endpoint refused a batch."""
        return self._smaller_batch if is_remembered(self._refused_at) else BATCH_CALLS_MAX

    @property
    def has_full_batches(self) -> bool:
        return self.batch_calls_max == BATCH_CALLS_MAX

    async def close(self) -> None:
        await self._provider.close()

    async def request(self, calls: Sequence[Call]) -> list[Reply]:
        """The replies in order, in as many requests as the endpoint's batches need.

        Raises:
            Failure: a request got no answer to its calls.
        """
        if len(calls) > self.batch_calls_max:
            return await self._in_pieces(calls, self.batch_calls_max)
        if len(calls) == 1:
            return [await self._alone(calls[0])]
        try:
            return await self._post(calls, as_batch=True)
        except Failure as failure:
            if not failure.refuses_batches and not failure.is_too_large:
                raise
            smaller = 1 if failure.refuses_batches else len(calls) // 2
        replies = await self._in_pieces(calls, smaller)
        # Only a success shows that the batch was the cause. A 403 may also mean too many requests.
        self._smaller_batch = min(self.batch_calls_max, smaller)
        self._refused_at = time.monotonic()
        return replies

    async def _in_pieces(self, calls: Sequence[Call], size: int) -> list[Reply]:
        pieces = (calls[first : first + size] for first in range(0, len(calls), size))
        requests = (self.request(piece) for piece in pieces)
        replies: list[Reply] = []
        for answered in await asyncio.gather(*requests, return_exceptions=True):
            if isinstance(answered, BaseException):
                raise answered
            replies += answered
        return replies

    async def _alone(self, call: Call) -> Reply:
        """One call in one request. An HTTP status may stand for a JSON-RPC error."""
        try:
            return (await self._post([call], as_batch=False))[0]
        except Failure as failure:
            if failure.error is None or failure.passes:
                raise
            return failure.error

    async def _post(self, calls: Sequence[Call], *, as_batch: bool) -> list[Reply]:
        body = _Body(body_of(calls, as_batch=as_batch))
        sent_at = await self._rate.turn(len(calls))
        async with self._limit.slot() as ticket:
            rpc_calls.update(call.method for call in calls)
            try:
                answer = await self._provider.make_request_unparsed(body)
                answered = replies_in(answer, len(calls), as_batch=as_batch)
                replies = [self._without_secrets(reply) for reply in answered]
            except (SolanaRpcException, MalformedBody, BatchRefused) as error:
                failure = failure_of(error, as_batch=as_batch)
                failure.error = self._without_secrets(failure.error)
                rpc_errors[failure.kind] += 1
                if failure.kind in SLOW_DOWN_KINDS:
                    self._slow_down(ticket, sent_at, failure.retry_after_seconds)
            else:
                self._heed(replies, ticket, sent_at)
                return replies
        # Outside of the handler: the provider's own exception carries the URL.
        raise failure

    def _without_secrets(self, reply: Reply) -> Reply:
        if not isinstance(reply, RpcError):
            return reply
        return replace(reply, message=self._hiding(reply.message))

    def _slow_down(self, ticket: int, sent_at: float, seconds: float) -> None:
        self._limit.cut(ticket)
        self._rate.refused(sent_at, seconds)

    def _heed(self, replies: list[Reply], ticket: int, sent_at: float) -> None:
        """Count errors, and slow down if a reply inside the batch says "too many requests"."""
        errors = [reply for reply in replies if isinstance(reply, RpcError)]
        for error in errors:
            rpc_errors[f"rpc {error.code}"] += 1
        if any(error.code in TOO_MANY_CODES for error in errors):
            self._slow_down(ticket, sent_at, 0.0)
        else:
            self._limit.grow()
            self._rate.answered(len(replies))
