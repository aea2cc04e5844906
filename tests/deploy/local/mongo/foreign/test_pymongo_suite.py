"""pymongo's own tests pass on the gateway, but for those listed with a reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.stack import LocalStack
from tests.deploy.local.mongo.foreign.expected import read_reasons
from tests.deploy.local.mongo.foreign.sources import PINNED, pymongo_tests

ROOT = Path(__file__).resolve().parents[5]
FILES = (
    "test_bulk.py",
    "test_collection.py",
    "test_crud_unified.py",
    "test_cursor.py",
    "test_retryable_writes.py",
    "test_retryable_writes_unified.py",
)
# A flood of warnings of its own would hide the result.
SETTINGS = """[pytest]
addopts = -q -p no:cacheprovider -p tests.deploy.local.mongo.foreign.plugin --tb=native
timeout = 120
filterwarnings = ignore
markers =
    default
    default_async
"""
PASSED_LEAST = 565


@pytest.mark.parametrize("text", ["test/a.py::one", "# why\ntest/a.py::one\ntest/a.py::one"])
def test_an_expected_failure_has_one_reason(text: str) -> None:
    with pytest.raises(ValueError, match="no reason, or is listed twice"):
        read_reasons(text)


def test_a_reason_stands_above_its_tests() -> None:
    text = "# why\ntest/a.py::one\ntest/a.py::two\n\n# else\ntest/b.py::three\n"
    assert read_reasons(text) == {
        "test/a.py::one": "why",
        "test/a.py::two": "why",
        "test/b.py::three": "else",
    }


def test_the_tests_are_those_of_the_locked_driver() -> None:
    locked = (ROOT / "requirements-dev.lock").read_text()
    requirement, _, digest = PINNED.read_text().splitlines()[-1].partition(" --hash=")
    assert f"{requirement} \\\n" in locked
    assert digest in locked


@pytest.mark.real
def test_the_drivers_own_tests_pass_on_the_gateway(
    fresh: LocalStack, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    fresh.up()  # of its own, since these tests set fail points
    address = urlsplit(fresh.settings()["MONGO_URI"])
    folder = pymongo_tests()
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(tmp_path / "pytest.ini"),
         f"--rootdir={folder}", *(f"test/{name}" for name in FILES)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}:{ROOT}",
            "DB_IP": str(address.hostname),
            "DB_PORT": str(address.port),
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    summary = done.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", summary)
    assert passed, summary
    assert int(passed[1]) >= PASSED_LEAST, summary
    record_property("pymongo's own tests on the gateway", summary)
