"""Keeps a worker process small, and its garbage collections rare."""

from __future__ import annotations

import ctypes
import gc
import platform

GARBAGE_MIN = 5_000
"""New objects after which a process looks for garbage."""
M_ARENA_MAX = -8
"""The number of this option in glibc's malloc.h."""


def keep_small() -> None:
    """Prepare a new process, before its first task."""
    # Otherwise a collection looks at all that was imported, and hundreds of them happen while one
    # large answer is read.
    gc.freeze()
    gc.set_threshold(GARBAGE_MIN, 10, 10)
    # glibc gives each thread a heap (an arena) of its own, and what one thread frees the others
    # cannot use. Python code runs in one thread at a time, so one arena is enough.
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
