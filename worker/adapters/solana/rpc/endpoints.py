"""All configured endpoints behind one synchronous facade.

Reads whose error could cost money ask every endpoint. Other reads take the first answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from worker.adapters.solana.errors import EndpointUnusable, RpcRefused
from worker.adapters.solana.rpc import background
from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Endpoint, Retries, host_of
from worker.core.errors import Unreachable

T = TypeVar("T")

GET_MULTIPLE_ACCOUNTS_MAX = 100
SIGNATURE_STATUSES_MAX = 256


class Rpc:
    """Synchronous calls to several endpoints. Usable on both sides of a fork."""

    def __init__(
        self, urls: Sequence[str], timeout_seconds: float, retries: Retries = DEFAULT_RETRIES
    ) -> None:
        """
        Raises:
            EndpointUnusable: an endpoint is not a URL, or the list is empty.
        """
        if not urls:
            raise EndpointUnusable(1, "there is none")
        self._urls = [(url, host_of(url, position)) for position, url in enumerate(urls, start=1)]
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._process_id = 0
        self._endpoints: list[Endpoint] = []

    def __repr__(self) -> str:
        return f"Rpc({', '.join(self.hosts)})"

    @property
    def hosts(self) -> list[str]:
        return [host for _, host in self._urls]

    def close(self) -> None:
        """Close the connections of this process. The next call opens new ones."""
        if self._process_id == os.getpid():
            endpoints, self._endpoints, self._process_id = self._endpoints, [], 0
            background.run(_close(endpoints))

    # --- synchronous -----------------------------------------------------------------------

    def run(self, work: Callable[[list[Endpoint]], Awaitable[T]]) -> T:
        """Run asynchronous work on the endpoints of this process, and wait for it."""
        return background.run(self._on_loop(work))

    def any(self, calls: Sequence[Call], read: Callable[[list[Reply]], T]) -> T:
        """Apply `read` to the replies of the first endpoint that answers properly.

        Raises:
            Unreachable: no endpoint answers.
            RpcRefused: no endpoint answers properly, and one reports a permanent error.
        """
        return self.run(lambda endpoints: from_any(endpoints, calls, read))

    def each(self, calls: Sequence[Call]) -> list[list[Reply] | Unreachable]:
        """The replies of every endpoint, in the configured order. Asks all at the same time."""
        return self.run(lambda endpoints: from_each(endpoints, calls))

    def each_sent(self, calls: Sequence[Call]) -> list[list[Reply | None]]:
        """Like `each`, but without retries.

        A reply is None if the outcome of its call is unknown.
        """
        return self.run(
            lambda endpoints: asyncio.gather(*(each.send_once(calls) for each in endpoints))
        )

    async def _on_loop(self, work: Callable[[list[Endpoint]], Awaitable[T]]) -> T:
        # Connections belong to a process and its loop. A forked child opens its own.
        if self._process_id != os.getpid():
            self._endpoints = [
                Endpoint(url, host, self._timeout_seconds, self._retries)
                for url, host in self._urls
            ]
            self._process_id = os.getpid()
        return await work(self._endpoints)


async def from_any(
    endpoints: Sequence[Endpoint], calls: Sequence[Call], read: Callable[[list[Reply]], T]
) -> T:
    """Ask one endpoint after the other, until one gives readable replies without an error."""
    failures: list[Unreachable] = []
    refusal: RpcRefused | None = None
    for endpoint in endpoints:
        try:
            replies = await endpoint.read(calls)
            refused = _first_refusal(endpoint.host, calls, replies)
            if refused is None:
                return read(replies)
            refusal = refusal or refused
        except Unreachable as failure:
            failures.append(failure)
    if refusal is not None:
        raise refusal
    raise Unreachable("; ".join(str(failure) for failure in failures))


async def from_each(
    endpoints: Sequence[Endpoint], calls: Sequence[Call]
) -> list[list[Reply] | Unreachable]:
    async def ask(endpoint: Endpoint) -> list[Reply] | Unreachable:
        try:
            return await endpoint.read(calls)
        except Unreachable as failure:
            return failure

    return await asyncio.gather(*(ask(endpoint) for endpoint in endpoints))


def answering(answers: Sequence[list[Reply] | Unreachable]) -> list[list[Reply]]:
    """The answers of the endpoints that are not silent.

    Raises:
        Unreachable: every endpoint was silent.
    """
    given = [answer for answer in answers if not isinstance(answer, Unreachable)]
    if not given:
        raise Unreachable("; ".join(str(answer) for answer in answers))
    return given


def _first_refusal(host: str, calls: Sequence[Call], replies: Sequence[Reply]) -> RpcRefused | None:
    for call, reply in zip(calls, replies, strict=True):
        if isinstance(reply, RpcError):
            return RpcRefused(host, call.method, reply.message)
    return None


async def _close(endpoints: Sequence[Endpoint]) -> None:
    await asyncio.gather(*(endpoint.close() for endpoint in endpoints))
