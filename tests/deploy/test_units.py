"""systemd accepts the units, and its own analysis rates them as hardened."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import need

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NAMES = ["backup", "beat", "exporter", "flower", "worker"]
EXPOSURE_MAX = 1.5
"""Of 10. systemd calls 2 and below OK.

The remaining exposure is the network, which the units need.
"""


@pytest.fixture(scope="module")
def analyze() -> str:
    return need("systemd-analyze", "systemd")


@pytest.fixture(params=NAMES)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit with this machine's path of the program."""
    name = f"kontrib-{request.param}.service"
    here = str(Path(sys.executable).parent)
    text = (UNITS / name).read_text().replace("/opt/kontrib/.venv/bin", here)
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_all_units_are_tested() -> None:
    units = sorted(file.name for file in UNITS.glob("*.service"))
    assert units == [f"kontrib-{name}.service" for name in NAMES]


def test_the_timer_of_the_backup_is_understood(analyze: str) -> None:
    timer = UNITS / "kontrib-backup.timer"
    (moment,) = re.findall(r"^OnCalendar=(.+)$", timer.read_text(), re.MULTILINE)
    done = subprocess.run([analyze, "calendar", moment], capture_output=True, text=True, timeout=60)
    assert "Next elapse" in done.stdout, done.stderr


def test_systemd_understands_it(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_hardened(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_worker_sorts_on_disk() -> None:
    text = (UNITS / "kontrib-worker.service").read_text()
    assert "\nEnvironment=TMPDIR=/var/tmp\n" in text
    assert "\nPrivateTmp=yes\n" in text  # otherwise all of /var would be read-only


@pytest.mark.parametrize("name", NAMES)
def test_only_the_worker_is_given_the_key(name: str) -> None:
    text = (UNITS / f"kontrib-{name}.service").read_text()
    assert ("payout.json" in text) == (name == "worker")
    assert ("WATCH_ONLY=true" in text) == (name != "worker")
