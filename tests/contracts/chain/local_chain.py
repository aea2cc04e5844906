"""A local chain in a separate process, for tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.chain.client import ChainClient


@contextmanager
def local_chain(log: Path, *arguments: str) -> Iterator[str]:
    """Run a new local chain during the block, and yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "deploy.local.chain.rpc.server", "--admin", "--port", port]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--slot-milliseconds", "50", *arguments], stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, server, log)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with ChainClient(url) as client:
                client.call("getHealth")
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the local chain did not start:\n{log.read_text()}")
