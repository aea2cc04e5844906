"""The verifier in JavaScript."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.node_modules import with_modules

SOURCE = Path(__file__).parent


def run_verifier(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `verify.mjs`. Without node the test is skipped by name, and fails under CI=true."""
    return subprocess.run(
        ["node", str(with_modules(SOURCE) / "verify.mjs"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
