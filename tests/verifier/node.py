"""The verifier in JavaScript. Its dependencies are installed once into a cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.tools import IN_CI, need

SOURCE = Path(__file__).parent
LOCKED = ("package.json", "package-lock.json", ".npmrc")
NODE_LEAST = (20, 18)
INSTALL_SECONDS_MAX = 200


def run_verifier(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `verify.mjs`. Without node the test is skipped by name, and fails under CI=true."""
    return subprocess.run(
        ["node", str(_installed() / "verify.mjs"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@cache
def _installed() -> Path:
    """A folder with the verifier and its modules. The first process makes it."""
    need("node", "nodejs")
    npm = need("npm", "npm")
    _require_version()
    content = b"".join((SOURCE / name).read_bytes() for name in LOCKED)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "kontrib" / f"verifier-{hashlib.sha256(content).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".installed").exists():
            _install(npm, folder)
        for script in SOURCE.glob("*.mjs"):
            shutil.copy(script, folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    for name in LOCKED:
        shutil.copy(SOURCE / name, folder)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        _missing(f"the JavaScript verifier's modules cannot be installed: {done.stderr[-500:]}")
    (folder / ".installed").touch()


def _require_version() -> None:
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    version = answer.stdout.strip().removeprefix("v").split(".")
    if tuple(map(int, version[:2])) < NODE_LEAST:
        _missing(f"node {answer.stdout.strip()} is older than {NODE_LEAST}")


def _missing(message: str) -> None:
    if IN_CI:
        pytest.fail(message)
    pytest.skip(message)
