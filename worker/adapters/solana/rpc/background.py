"""One event loop in a background thread per process, so that callers can be synchronous.

The loop starts at its first use, never at import. A loop from before a fork would be dead in the
child, because its thread exists only in the parent.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Background:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None

    def running_loop(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                name = "solana-rpc"
                threading.Thread(target=self.loop.run_forever, name=name, daemon=True).start()
            return self.loop


_background = _Background()


def _start_over_after_fork() -> None:
    # Another thread may have held the lock at the fork, and the loop's thread is gone.
    global _background
    _background = _Background()


os.register_at_fork(after_in_child=_start_over_after_fork)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the background loop and wait for its result.

    If something interrupts the wait (a task's time limit, Ctrl-C), the coroutine is cancelled.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _background.running_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
