"""The tests in pymongo's source distribution, fetched once into a cache. Nothing is committed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.tools import IN_CI

PINNED = Path(__file__).parent / "pymongo.txt"
DOWNLOAD_SECONDS_MAX = 200


def pymongo_tests() -> Path:
    """A folder with pymongo's package `test`. The first process makes it.

    Without the package index the test is skipped by name, and fails under CI=true.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]
    folder = base / "kontrib" / f"pymongo-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".unpacked").exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    """Download the archive, whose hash pip verifies before it reads it, and unpack its tests."""
    # pip asks a source distribution for its metadata. The locked build tools answer, so that
    # nothing else is fetched.
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-binary", "pymongo", "--no-build-isolation", "--require-hashes",
         "--requirement", str(PINNED), "--dest", str(folder)],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_SECONDS_MAX,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        message = f"pymongo's source distribution cannot be fetched: {done.stderr[-500:]}"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    (archive,) = folder.glob("pymongo-*.tar.gz")
    with tarfile.open(archive) as tar:
        # Python before 3.11.4 has no filter. The hash above proves what the archive holds.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **safe)  # noqa: S202
    (unpacked,) = (path for path in folder.glob("pymongo-*") if path.is_dir())
    shutil.rmtree(folder / "test", ignore_errors=True)
    shutil.move(unpacked / "test", folder / "test")
    shutil.rmtree(unpacked)
    archive.unlink()
    (folder / ".unpacked").touch()
