"""Asks the processes of a worker to hand their work over before the worker ends.

On SIGTERM Celery waits until running tasks are done, and a payment task runs for minutes. The
parent gets the signal, and its children do the work: they share this byte of memory. It has no
lock, since a child killed while holding a lock would stop all others.
"""

from __future__ import annotations

import mmap


class ShutdownFlag:
    """Created before the fork, set by the parent, read by the children."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._shared[0] = 1

    def is_set(self) -> bool:
        return self._shared[0] != 0
