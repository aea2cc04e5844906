"""Threads of a new worker process share one heap, as glibc itself reports."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.end_to_end.support.flower import ROOT
from tests.processes.test_task_secrets import SETTINGS

BEGIN = """
from celery.signals import worker_process_init
import worker.app
worker_process_init.send(sender=None)
"""
"""What Celery does in a new process, before its first task."""
THREADS = """
import ctypes, threading
texts, held = [], threading.Barrier(4)
def hold():
    texts.extend(str(number) * 1000 for number in range(100))
    held.wait()
threads = [threading.Thread(target=hold) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


def heaps(before: str) -> int:
    """The heaps of a process that works in four threads."""
    done = subprocess.run(
        [sys.executable, "-c", before + THREADS],
        cwd=ROOT,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.count("<heap ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_threads_share_one_heap() -> None:
    assert heaps("") > 1
    assert heaps(BEGIN) == 1
