"""The verifier in JavaScript, run by node."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.tools import need

FOLDER = Path(__file__).parent


def run_verifier(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `verify.mjs`. Without node the test is skipped by name, and fails under CI=true."""
    return run_node(FOLDER / "verify.mjs", *arguments)


def run_node(
    script: Path, *arguments: str, standard_input: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [need("node", "nodejs"), str(script), *arguments],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
