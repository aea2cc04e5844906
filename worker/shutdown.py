"""Tells the processes of a worker that it was asked to end, so that they hand their work over.

Celery's SIGTERM waits until running tasks are done, and a task that pays goes on for minutes.
The parent gets the signal, its children work: this byte is memory that they share. No lock guards
it, since a child that is killed while it holds one would stop all others.
"""

from __future__ import annotations

import mmap


class ShutdownFlag:
    """Made before the fork, raised by the parent, read by the children."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._shared[0] = 1

    def is_set(self) -> bool:
        return self._shared[0] != 0
