"""The real exporter, `kontrib metrics`, and its figures."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.end_to_end.support.cluster import Cluster
from tests.end_to_end.support.flower import ROOT, environment, free_port


@contextmanager
def exporter(cluster: Cluster) -> Iterator[Callable[[], dict[str, float]]]:
    """An exporter that answers, as a function that returns its figures by name and labels."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from worker.cli import main; main()",
            *("metrics", f"--port={port}"),
        ],
        env=environment(cluster.folder, cluster.variables),
        cwd=ROOT,
    )

    def figures() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        samples = re.findall(r"^(kontrib_[^ ]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    def answers() -> bool:
        try:
            return bool(figures())
        except OSError:
            return False

    try:
        cluster.wait(answers, 60, "the exporter did not answer")
        yield figures
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait(15)
