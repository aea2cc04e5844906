"""How much one endpoint is asked: requests in parallel, and calls a second.

Both are lowered after a 429, then slowly raised. A refused call counts against a provider's limit
like an answered one, so it is better not sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.adapters.solana.rpc.sizes import is_remembered

LIMIT_AT_START = 8.0
LIMIT_MAX = 32.0
LIMIT_MIN = 1.0

SHARE_OF_ANSWERED = 0.9
"""Of the calls that were answered in the second before a 429, so many a second are sent after it.
"""
GROWTH = 0.005
"""The rate grows with the square of the seconds of use: slowly near the limit, quickly above it."""
RATE_MIN = 10.0
"""A 429 after few calls shows a bad moment, and not the rate that an endpoint allows."""
SAVED_SECONDS = 0.5
"""After a pause, the calls of this time are sent at once."""


class AdaptiveLimit:
    """A semaphore whose size adapts to the endpoint. Belongs to one event loop."""

    def __init__(self) -> None:
        self.limit = LIMIT_AT_START
        self._busy = 0
        self._cuts = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Wait for a place; yields a ticket to give to `cut`."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._busy < int(self.limit))
            self._busy += 1
        try:
            yield self._cuts
        finally:
            async with self._freed:
                self._busy -= 1
                self._freed.notify_all()

    def cut(self, ticket: int) -> None:
        """Halve the limit, once for all requests that ran at the same time."""
        if ticket == self._cuts:
            self._cuts += 1
            self.limit = max(LIMIT_MIN, self.limit / 2)

    def grow(self) -> None:
        """Add one place for every `limit` successes."""
        self.limit = min(LIMIT_MAX, self.limit + 1 / self.limit)


class CallRate:
    """Calls a second: unlimited until a 429, then learned. Belongs to one event loop."""

    def __init__(self) -> None:
        self._turns = asyncio.Lock()
        self._answered: deque[tuple[float, int]] = deque()
        self._base = 0.0
        """Calls a second after the last 429; 0 before the first one."""
        self._refused_at = 0.0
        self._used = 0
        """Calls that were answered since the last 429."""
        self._free_at = 0.0

    async def turn(self, calls: int) -> float:
        """Wait until these calls may be sent. Returns the time, to give to `refused`."""
        async with self._turns:
            while (pause := self._free_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            now = time.monotonic()
            if rate := self._rate():
                self._free_at = max(self._free_at, now - SAVED_SECONDS) + calls / rate
            return now

    def answered(self, calls: int) -> None:
        now = time.monotonic()
        self._used += calls
        self._answered.append((now, calls))
        while now - self._answered[0][0] > 1:
            self._answered.popleft()

    def refused(self, sent_at: float, retry_after_seconds: float) -> None:
        """Slow down, once for all calls that were sent before."""
        if sent_at < self._refused_at:
            return
        now = time.monotonic()
        lately = sum(calls for at, calls in self._answered if now - at <= 1)
        self._base = max(RATE_MIN, lately * SHARE_OF_ANSWERED)
        self._refused_at, self._used = now, 0
        pause = max(retry_after_seconds, 1 / self._base)
        self._free_at = max(self._free_at, now + pause)  # sent calls still use up the rate

    def _rate(self) -> float:
        """Calls a second; 0 for no limit."""
        if not self._base or not is_remembered(self._refused_at):
            return 0.0
        return self._base * (1 + GROWTH * (self._used / self._base) ** 2)
