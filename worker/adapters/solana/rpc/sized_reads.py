"""Reads calls of any size from an endpoint that takes smaller ones only."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from worker.adapters.solana.rpc.calls import Call, Reply, RpcError
from worker.adapters.solana.rpc.sizes import (
    is_remembered,
    is_short_page,
    joined,
    may_be_too_large,
    page_part,
    parts_of,
    size_of,
)

ReadAll = Callable[[Sequence[Call]], Awaitable[list[Reply]]]


class SizedReads:
    """Divides calls, and learns from refusals how far."""

    def __init__(self, read_all: ReadAll) -> None:
        self._read_all = read_all
        self._sizes: dict[str, tuple[int, float]] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each method that the endpoint took lately after a refusal of a larger one."""
        return {method: size for method, (size, at) in self._sizes.items() if is_remembered(at)}

    async def read(self, calls: Sequence[Call]) -> list[Reply]:
        """The replies in order, each of the whole size of its call."""
        known = self.sizes
        parts = [parts_of(call, known.get(call.method, size_of(call))) for call in calls]
        flat = [part for each in parts for part in each]
        replies = await self._read_all(flat)
        if await self._shrinks(flat, replies):
            return await self.read(calls)
        rest = iter(replies)
        found = [joined([next(rest) for _ in each]) for each in parts]
        for index, (call, each) in enumerate(zip(calls, parts, strict=True)):
            if is_short_page(call, each[0], found[index]):
                found[index] = await self._whole_page(call, size_of(each[0]), found[index])
        return found

    async def _shrinks(self, calls: Sequence[Call], replies: Sequence[Reply]) -> bool:
        """Look for smaller sizes after refusals. True if a method has a smaller size now."""
        refused = {
            call.method: call
            for call, reply in zip(calls, replies, strict=True)
            if may_be_too_large(call, reply)
        }
        return any([await self._find_size(call) for call in refused.values()])

    async def _find_size(self, call: Call) -> bool:
        """Halve a refused call until the endpoint takes it."""
        size = size_of(call)
        while size > 1:
            size //= 2
            [reply] = await self._read_all(parts_of(call, size)[:1])
            if not isinstance(reply, RpcError) or reply.passes:
                self._sizes[call.method] = size, time.monotonic()
                return True
        return False  # the call is refused at every size, so the size is not the cause

    async def _whole_page(self, call: Call, size: int, newest: list[Reply]) -> Reply:
        """The page of a call in smaller pages. `newest` is the first one of them."""
        found = list(newest)
        while (limit := min(size, size_of(call) - len(found))) > 0:
            try:
                before = str(found[-1]["signature"])
            except (KeyError, TypeError):
                break  # its reader refuses an odd entry
            [page] = await self._read_all([page_part(call, limit, before)])
            if not isinstance(page, list):
                return page
            found += page
            if len(page) < limit:
                break
        return found
