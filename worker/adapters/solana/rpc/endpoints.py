"""All configured endpoints behind one synchronous facade.

Reads whose error could cost money ask every endpoint, and need a majority of them. Other reads take
the first answer. An endpoint that fails rests for a while, as long as others can answer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from worker.adapters.solana.errors import EndpointUnusable, RpcRefused
from worker.adapters.solana.rpc import background
from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.endpoint import DEFAULT_RETRIES, Endpoint, Retries, host_of
from worker.core.errors import Unreachable
from worker.core.plan.receipts import majority_of

T = TypeVar("T")

GRACE_SECONDS = 3.0
"""After a majority has answered, the others get as long again, and at least this time."""


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

        async def send(endpoint: Endpoint) -> list[Reply | None] | Unreachable:
            replies = await endpoint.send_once(calls)
            return replies if any(it is not None for it in replies) else _silence(endpoint)

        answers = self.run(lambda endpoints: ask_each(endpoints, send))
        silent: list[Reply | None] = [None] * len(calls)
        return [silent if isinstance(answer, Unreachable) else answer for answer in answers]

    @property
    def troubles(self) -> list[str]:
        """Why endpoints did not answer the last time, or were behind. Makes no request."""
        known = self._endpoints if self._process_id == os.getpid() else []
        return [endpoint.trouble for endpoint in known if endpoint.trouble is not None]

    async def _on_loop(self, work: Callable[[list[Endpoint]], Awaitable[T]]) -> T:
        # Connections belong to a process and its loop. A forked child opens its own.
        if self._process_id != os.getpid():
            self._endpoints = [
                Endpoint(
                    url, host, self._timeout_seconds, self._retries, is_alone=len(self._urls) == 1
                )
                for url, host in self._urls
            ]
            self._process_id = os.getpid()
        return await work(self._endpoints)


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    value: T


async def from_any(
    endpoints: Sequence[Endpoint], calls: Sequence[Call], read: Callable[[list[Reply]], T]
) -> T:
    """Ask one endpoint after the other, until one gives readable replies without an error.

    If an endpoint is slow, the next one is asked beside it.
    """
    pending: dict[asyncio.Task[_Read[T] | RpcRefused | Unreachable], Endpoint] = {}
    failures: list[RpcRefused | Unreachable] = []
    order = by_health(endpoints)
    try:
        for number, endpoint in enumerate(order, 1):
            pending[asyncio.create_task(_read_from(endpoint, calls, read))] = endpoint
            is_last = number == len(order)
            while pending:
                patience = None if is_last else GRACE_SECONDS
                done, _ = await asyncio.wait(
                    pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del pending[task]
                    if isinstance(answer := task.result(), _Read):
                        return answer.value
                    failures.append(answer)
                if not is_last:
                    break
    finally:
        await _give_up(pending)
    if (refusal := next((it for it in failures if isinstance(it, RpcRefused)), None)) is not None:
        raise refusal
    raise Unreachable("; ".join(str(failure) for failure in failures))


async def _read_from(
    endpoint: Endpoint, calls: Sequence[Call], read: Callable[[list[Reply]], T]
) -> _Read[T] | RpcRefused | Unreachable:
    try:
        replies = await endpoint.read(calls)
        refused = _first_refusal(endpoint.host, calls, replies)
        return _Read(read(replies)) if refused is None else refused
    except Unreachable as failure:
        return failure


def by_health(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints in the configured order, and those that failed behind the others."""
    return sorted(endpoints, key=lambda endpoint: not endpoint.is_healthy)


async def from_each(
    endpoints: Sequence[Endpoint], calls: Sequence[Call]
) -> list[list[Reply] | Unreachable]:
    """The replies of each endpoint; `Unreachable` for an endpoint that is silent or rests."""

    async def ask(endpoint: Endpoint) -> list[Reply] | Unreachable:
        try:
            return await endpoint.read(calls)
        except Unreachable as failure:
            return failure

    return await ask_each(endpoints, ask, _has_result)


def _has_result(replies: Sequence[Reply]) -> bool:
    """Whether an answer holds more than errors, as it does after the end of a plan."""
    return not replies or any(not isinstance(reply, RpcError) for reply in replies)


async def ask_each(
    endpoints: Sequence[Endpoint],
    ask: Callable[[Endpoint], Coroutine[Any, Any, T | Unreachable]],
    counts: Callable[[T], bool] = lambda _: True,
) -> list[T | Unreachable]:
    """Ask endpoints at the same time. Once a majority has answered, wait a while for the others.

    `counts`: whether an answer is one of the majority's. Endpoints that rest are asked only if the
    others cannot be a majority.
    """
    needed = majority_of(len(endpoints))
    resting = [endpoint for endpoint in endpoints if endpoint.rests]
    tasks = {asyncio.create_task(ask(it)): it for it in endpoints if it not in resting}
    answers: dict[Endpoint, T | Unreachable] = {}
    began, given, patience = time.monotonic(), 0, None
    try:
        while True:
            if given + len(tasks) < needed:
                tasks |= {asyncio.create_task(ask(it)): it for it in resting}
                resting = []
            if not tasks:
                break
            done, _ = await asyncio.wait(
                tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            found = {tasks.pop(task): task.result() for task in done}
            answers |= found
            given += sum(not isinstance(it, Unreachable) and counts(it) for it in found.values())
            if given >= needed:
                patience = max(GRACE_SECONDS, time.monotonic() - began)
    finally:
        await _give_up(tasks)
    return [answers.get(it, _silence(it)) for it in endpoints]


async def _give_up(tasks: Mapping[asyncio.Task[T], Endpoint]) -> None:
    """Cancel requests to endpoints that are slower than the others."""
    for task, endpoint in tasks.items():
        task.cancel()
        endpoint.rest(f"{endpoint.host} does not answer: it is slower than the others")
    await asyncio.gather(*tasks, return_exceptions=True)


def _silence(endpoint: Endpoint) -> Unreachable:
    return Unreachable(endpoint.trouble or f"{endpoint.host} does not answer")


def answering(answers: Sequence[list[Reply] | Unreachable]) -> list[list[Reply]]:
    """The answers of the endpoints that are not silent.

    Raises:
        Unreachable: every endpoint was silent.
    """
    given = [answer for answer in answers if not isinstance(answer, Unreachable)]
    if not given:
        raise Unreachable("; ".join(str(answer) for answer in answers))
    return given


def answering_majority(answers: Sequence[list[Reply] | Unreachable]) -> list[list[Reply]]:
    """The answers of the endpoints that are not silent.

    Raises:
        Unreachable: fewer endpoints than a majority answered.
    """
    given = [answer for answer in answers if not isinstance(answer, Unreachable)]
    if len(given) < majority_of(len(answers)):
        raise Unreachable("; ".join(str(it) for it in answers if isinstance(it, Unreachable)))
    return given


def _first_refusal(host: str, calls: Sequence[Call], replies: Sequence[Reply]) -> RpcRefused | None:
    """
    Raises:
        Unreachable: a node is behind the slot of a call.
    """
    for call, reply in zip(calls, replies, strict=True):
        if isinstance(reply, RpcError) and reply.passes:
            raise Unreachable(f"{host} does not answer {call.method}: {reply.message}")
        if isinstance(reply, RpcError):
            return RpcRefused(host, call.method, reply.message)
    return None


async def _close(endpoints: Sequence[Endpoint]) -> None:
    await asyncio.gather(*(endpoint.close() for endpoint in endpoints))
