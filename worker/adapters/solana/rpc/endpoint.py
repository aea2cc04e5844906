"""One RPC endpoint: sizes of requests, bounded retries, rests, and messages that hide its URL."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from worker.adapters.solana.errors import EndpointUnusable
from worker.adapters.solana.rpc.calls import BEHIND_CODE, Call, Reply, RpcError, groups_of
from worker.adapters.solana.rpc.failures import DEAD_KINDS, Failure
from worker.adapters.solana.rpc.sized_reads import SizedReads
from worker.adapters.solana.rpc.transport import Transport
from worker.core.errors import Unreachable

REST_SECONDS, REST_SECONDS_MAX = 5.0, 60.0
"""The first rest of an endpoint that fails, and the longest one. Each further failure doubles it.
"""
SOON_SLOTS = 20
"""A node that lies at most this many slots behind is asked again within one read."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The number of tries of a read, and the bounds of the pauses between them."""

    attempts: int = 5
    backoff_seconds: float = 0.25
    backoff_seconds_max: float = 8.0

    def pause_seconds(self, attempt: int, failure: Failure | None) -> float:
        """Exponential with jitter, and at least as long as the endpoint asked for."""
        longest = min(self.backoff_seconds_max, self.backoff_seconds * 2**attempt)
        asked = failure.retry_after_seconds if failure else 0.0
        return asked + random.uniform(longest / 4, longest)


DEFAULT_RETRIES = Retries()


class Endpoint:
    """Sends calls to one URL. Belongs to one event loop."""

    def __init__(
        self, url: str, host: str, timeout_seconds: float, retries: Retries, *, is_alone: bool
    ) -> None:
        """`is_alone`: no other endpoint can answer, so this one never rests."""
        self.host = host
        self.trouble: str | None = None
        """Why the endpoint did not answer the last time; None after an answer."""
        self._retries = retries
        self._is_alone = is_alone
        self._transport = Transport(url, timeout_seconds)
        self._sized = SizedReads(self._read_all)
        self._failures = 0
        self._rests_until = 0.0

    async def close(self) -> None:
        await self._transport.close()

    @property
    def rests(self) -> bool:
        """Whether the endpoint failed so recently that others are asked in its place."""
        return not self._is_alone and time.monotonic() < self._rests_until

    @property
    def is_healthy(self) -> bool:
        """Whether the last request was answered. One that failed is first asked beside others."""
        return self._failures == 0

    def rest(self, trouble: str) -> None:
        """Ask other endpoints for a while, longer after each failure."""
        self.trouble = trouble
        pause = min(REST_SECONDS_MAX, REST_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self._rests_until = time.monotonic() + pause

    def limits(self) -> list[str]:
        """The limits that the endpoint has shown, for people."""
        found = [f"{method}: {size} at once" for method, size in sorted(self._sized.sizes.items())]
        calls = self._transport.batch_calls_max
        return found + ([] if self._transport.has_full_batches else [_batches_text(calls)])

    async def read(self, calls: Sequence[Call]) -> list[Reply]:
        """Return the replies in order. Temporary failures are retried a bounded number of times.

        A reply may be the permanent error of an endpoint, or the error of a node that is behind.

        Raises:
            Unreachable: a call got no answer.
        """
        return await self._sized.read(calls)

    async def send_once(self, calls: Sequence[Call]) -> list[Reply | None]:
        """Return the replies in order, without retries; None if a call's outcome is unknown."""
        replies: list[Reply | None] = [None] * len(calls)

        async def send(group: list[int]) -> None:
            try:
                answered = await self._transport.request([calls[index] for index in group])
            except Failure as failure:
                method = calls[group[0]].method
                self._failed(f"{self.host} does not answer {method}: {failure.kind}", failure)
                return
            self._answered()
            for index, reply in zip(group, answered, strict=True):
                replies[index] = reply

        await asyncio.gather(*(send(group) for group in self._groups(calls)))
        return replies

    def _groups(self, calls: Sequence[Call]) -> list[list[int]]:
        return groups_of(calls, self._transport.batch_calls_max)

    async def _read_all(self, calls: Sequence[Call]) -> list[Reply]:
        replies: list[Reply] = [None] * len(calls)
        groups = (self._read_group(calls, group, replies) for group in self._groups(calls))
        await asyncio.gather(*groups)
        return replies

    async def _read_group(
        self, calls: Sequence[Call], group: list[int], replies: list[Reply]
    ) -> None:
        pending, failure = group, None
        # An endpoint that failed gets one try, until it answers again.
        attempts = 1 if self._failures and not self._is_alone else self._retries.attempts
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(self._retries.pause_seconds(attempt, failure))
            failure = None
            try:
                answered = await self._transport.request([calls[index] for index in pending])
            except Failure as error:
                failure = error
                if not error.passes:
                    break
                continue
            self._answered()
            for index, reply in zip(pending, answered, strict=True):
                replies[index] = reply
            pending = [index for index in pending if _passes(calls[index], replies[index])]
            if not pending:
                return
        if failure is None and all(_is_behind(replies[index]) for index in pending):
            return
        why = failure.kind if failure is not None else _message(replies[pending[0]])
        trouble = f"{self.host} does not answer {calls[pending[0]].method}: {why}"
        self._failed(trouble, failure)
        raise Unreachable(trouble)

    def _failed(self, trouble: str, failure: Failure | None) -> None:
        self.trouble = trouble
        if failure is not None and failure.kind in DEAD_KINDS:
            self.rest(trouble)

    def _answered(self) -> None:
        self.trouble, self._failures, self._rests_until = None, 0, 0.0


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


def _batches_text(calls: int) -> str:
    return "no batches" if calls == 1 else f"batches of {calls} calls"


def _passes(call: Call, reply: Reply) -> bool:
    """Whether the same call may soon be answered."""
    if not isinstance(reply, RpcError):
        return call.method == "getFeeForMessage" and _is_null(reply)
    if not reply.passes:
        return False
    if reply.code != BEHIND_CODE or reply.context_slot is None:
        return True
    options = next((each for each in call.params if isinstance(each, dict)), {})
    return bool(options.get("minContextSlot", 0) - reply.context_slot <= SOON_SLOTS)


def _is_null(reply: Reply) -> bool:
    return isinstance(reply, dict) and reply.get("value", reply) is None


def _is_behind(reply: Reply) -> bool:
    return isinstance(reply, RpcError) and reply.code == BEHIND_CODE


def _message(reply: Reply) -> str:
    """Why a call is not answered yet. A node answers null about a blockhash of a later block."""
    known = isinstance(reply, RpcError)
    return reply.message if known else "the node does not know the blockhash yet"
