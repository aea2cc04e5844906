"""The number of parallel requests to one endpoint: halved after a 429, then slowly raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LIMIT_AT_START = 8.0
LIMIT_MAX = 32.0
LIMIT_MIN = 1.0


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
