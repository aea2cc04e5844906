"""Programs that some tests need: found on the machine, installed in CI, or skipped by name."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest

IN_CI = os.environ.get("CI") == "true"
APT_SECONDS_MAX = 400


def need(program: str, package: str) -> str:
    """Path of a program of a Debian package.

    Under CI=true a missing program is installed, or the test fails. Elsewhere the test is skipped,
    and names the missing program.
    """
    if path := shutil.which(program):
        return path
    if IN_CI and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(package)
    if path := shutil.which(program):
        return path
    message = f"{program} is not on the PATH (Debian package: {package})"
    if IN_CI:
        pytest.fail(message)
    pytest.skip(message)


@cache
def _install(package: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    for step in (["update", "-q"], ["install", "-qy", "--no-install-recommends", package]):
        subprocess.run(
            ["apt-get", *wait, *step],
            env=environment,
            timeout=APT_SECONDS_MAX,
            check=False,
            capture_output=True,
        )
