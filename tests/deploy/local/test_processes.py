"""Background processes: recorded, found again, and stopped only if they are ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import (
    LocalServiceFailed,
)
from deploy.local.processes import ProcessTable, process_identity
from tests.deploy.local.stack_helpers import wait_for

SLEEP = ["sleep", "600"]


class TestProcesses:
    @pytest.fixture
    def table(self, state: Path) -> Iterator[ProcessTable]:
        state.mkdir()
        table = ProcessTable(state)
        yield table
        for record in table.records():
            table.stop(record.name, kill=True)

    def test_a_process_outlives_its_starter(self, state: Path) -> None:
        state.mkdir()
        starter = (
            "import sys; from pathlib import Path; from deploy.local.processes import *; "
            "ProcessTable(Path(sys.argv[1])).start('sleeper', ['sleep', '600'])"
        )
        subprocess.run([sys.executable, "-c", starter, str(state)], check=True)

        table = ProcessTable(state)

        assert table.find_alive("sleeper") is not None
        assert table.stop("sleeper") is True
        assert table.stop("sleeper") is False

    def test_a_foreign_process_with_a_recycled_pid_is_left_alone(
        self, state: Path, table: ProcessTable
    ) -> None:
        record = table.start("sleeper", SLEEP)
        table.stop("sleeper")
        time.sleep(0.05)  # the kernel does not reuse a pid within one tick of its clock
        foreign = subprocess.Popen(SLEEP)
        try:
            recycled = {**asdict(record), "pid": foreign.pid}
            (state / "processes.json").write_text(json.dumps([recycled]))

            assert table.find_alive("sleeper") is None
            assert table.stop("sleeper") is False
            assert foreign.poll() is None
        finally:
            foreign.kill()
            foreign.wait()

    def test_a_process_that_ignores_the_signal_is_killed_with_its_children(
        self, tmp_path: Path, table: ProcessTable
    ) -> None:
        child_file = tmp_path / "child"
        script = f"trap '' TERM; sleep 600 & echo $! > {child_file}; wait; sleep 600"
        record = table.start("stubborn", ["/bin/sh", "-c", script])
        wait_for(lambda: child_file.exists() and child_file.read_text().strip() != "")

        assert table.stop("stubborn", timeout_s=0.3) is True

        assert process_identity(record.pid) is None
        wait_for(lambda: process_identity(int(child_file.read_text())) is None)

    def test_a_child_in_a_session_of_its_own_is_killed_too(
        self, tmp_path: Path, table: ProcessTable
    ) -> None:
        child_file = tmp_path / "child"
        script = f"setsid sleep 600 & echo $! > {child_file}; wait"
        table.start("parent", ["/bin/sh", "-c", script])
        wait_for(lambda: child_file.exists() and child_file.read_text().strip() != "")

        table.stop("parent", kill=True)

        assert process_identity(int(child_file.read_text())) is None

    def test_nothing_runs_that_could_not_be_recorded(
        self, tmp_path: Path, state: Path, table: ProcessTable
    ) -> None:
        (state / "processes.json").mkdir()
        ran, before = tmp_path / "ran", set(psutil.Process().children())

        with pytest.raises(OSError, match=r"processes\.json"):
            table.start("lost", ["touch", str(ran)])

        _, still_running = psutil.wait_procs(set(psutil.Process().children()) - before, 60)
        assert still_running == []
        assert not ran.exists()
        (state / "processes.json").rmdir()

    def test_a_service_that_dies_shows_the_end_of_its_log(self, table: ProcessTable) -> None:
        table.start("broken", ["/bin/sh", "-c", "echo no such flag; exit 3"])

        with pytest.raises(LocalServiceFailed, match="no such flag"):
            table.wait_until_ready("broken", lambda: _refuse("not yet"), timeout_s=5)

    def test_a_service_that_never_answers_is_an_error_with_the_reason(
        self, table: ProcessTable
    ) -> None:
        table.start("mute", SLEEP)

        with pytest.raises(
            LocalServiceFailed, match=r"did not answer within 0\.2 seconds.*refused"
        ):
            table.wait_until_ready("mute", lambda: _refuse("refused"), timeout_s=0.2)

    def test_identity_of_a_dead_child_is_none_before_it_is_reaped(self) -> None:
        with subprocess.Popen(["true"]) as process:
            wait_for(lambda: process_identity(process.pid) is None)


def _refuse(reason: str) -> None:
    raise ConnectionError(reason)
