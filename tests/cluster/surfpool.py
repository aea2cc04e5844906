"""Surfpool, the simulator of the Solana Foundation, in a process of its own.

It shares no code with this project: its own runtime, its own JSON-RPC. It comes as a native module
of an npm package for Linux on x64. It speaks v0 transactions, and its time passes by itself.
"""

from __future__ import annotations

import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.node_modules import with_modules

SLOT_MILLISECONDS = 20
START_SECONDS_MAX = 60


@contextmanager
def surfpool(log: Path, *, slot_milliseconds: int = SLOT_MILLISECONDS) -> Iterator[str]:
    """Run a new Surfpool during the block, and yield its URL.

    Without node the test is skipped by name, and fails under CI=true.
    """
    script = with_modules(Path(__file__).parent) / "surfpool.mjs"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            ["node", str(script), str(slot_milliseconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _first_line(process.stdout, log)
        finally:
            process.terminate()
            process.wait(timeout=20)
            process.stdin.close()
            process.stdout.close()


def _first_line(output: IO[str], log: Path) -> str:
    ready, _, _ = select.select([output], [], [], START_SECONDS_MAX)
    url = output.readline().strip() if ready else ""
    assert url.startswith("http"), f"Surfpool did not start:\n{log.read_text()}"
    return url
