"""Starts, records and stops background processes that outlive their caller."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local.errors import LocalServiceFailed
from deploy.local.state_files import tail, write_atomically

# The shell waits for one line before it becomes the service. If the caller dies before it records
# the process, the shell reads end-of-file and exits, so that no orphan stays.
_EXEC_WHEN_RECORDED = 'read -r recorded && exec "$0" "$@" </dev/null'
_POLL_SECONDS = 0.05

# This process must reap its own children. Init reaps all others.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ProcessRecord:
    """A process that we started. `identity` differs for a later process with the same pid."""

    name: str
    pid: int
    identity: str
    command: list[str]
    stop_signal: int

    @property
    def is_alive(self) -> bool:
        return process_identity(self.pid) == self.identity


def process_identity(pid: int) -> str | None:
    """The start time of the living process `pid`, or None. Pid and start time are unique together.

    Linux counts the start time in ticks since boot, so clock changes leave it unchanged.
    """
    if child := _children.get(pid):
        child.poll()
    if not sys.platform.startswith("linux"):
        return _identity_by_ps(pid)
    try:
        # The command name is in brackets, and may itself hold brackets and spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{start_ticks}"


def _identity_by_ps(pid: int) -> str | None:
    """The start time to the second, for systems without /proc."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    state, _, started = listed.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


class ProcessTable:
    """The processes of one state folder: `processes.json` and `logs/`. Safe between threads.

    Between processes the caller must hold the stack's lock.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / "processes.json"
        self._logs = state / "logs"
        self._lock = threading.Lock()

    def log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def records(self) -> list[ProcessRecord]:
        """Every recorded process, dead or alive, in order of their starts."""
        try:
            stored = json.loads(self._file.read_text())
        except FileNotFoundError:
            return []
        return [ProcessRecord(**fields) for fields in stored]

    def find_alive(self, name: str) -> ProcessRecord | None:
        """The recorded process of that name, if it is alive."""
        return next((r for r in self.records() if r.name == name and r.is_alive), None)

    def start(
        self,
        name: str,
        command: Sequence[str],
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> ProcessRecord:
        """Start `command` in a new session, and append its output to its log."""
        log = self.log_file(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        waits_on, gate = os.pipe()
        with os.fdopen(waits_on, "rb"), os.fdopen(gate, "wb") as gate_file, log.open("ab") as out:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _EXEC_WHEN_RECORDED, *command],
                stdin=waits_on, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
            _children[process.pid] = process
            identity = process_identity(process.pid) or "died at once"
            record = ProcessRecord(name, process.pid, identity, list(command), int(stop_signal))
            self._replace(name, record)
            gate_file.write(b"\n")
        return record

    def stop(self, name: str, *, kill: bool = False, timeout_s: float = 20.0) -> bool:
        """Stop the process of that name, and forget it; False if it had ended before.

        Sends its stop signal, and after `timeout_s` (or at once with `kill`) SIGKILL to the
        process and its descendants. A pid that now belongs to another process is left alone.
        """
        record = self.find_alive(name)
        if record is not None:
            if not kill:
                _send(record.pid, record.stop_signal)
                _wait_for_end(record, timeout_s)
            if record.is_alive:
                _kill_with_descendants(record.pid, timeout_s)
                _wait_for_end(record, timeout_s)
        self._replace(name, None)
        return record is not None

    def _replace(self, name: str, record: ProcessRecord | None) -> None:
        with self._lock:
            records = [r for r in self.records() if r.name != name]
            if record is not None:
                records.append(record)
            write_atomically(self._file, json.dumps([asdict(r) for r in records], indent=1))

    def wait_until_ready(self, name: str, probe: Callable[[], None], timeout_s: float) -> None:
        """Wait until `probe` stops raising.

        Raises LocalServiceFailed, with the end of the log, if the process dies or time runs out.
        """
        log = self.log_file(name)
        deadline = time.monotonic() + timeout_s
        while True:
            failure = _failure_of(probe)
            if self.find_alive(name) is None:
                raise LocalServiceFailed(name, "stopped while starting", log, tail(log))
            if failure is None:
                return
            if time.monotonic() > deadline:
                reason = f"did not answer within {timeout_s:g} seconds ({failure})"
                raise LocalServiceFailed(name, reason, log, tail(log))
            time.sleep(_POLL_SECONDS)


def _failure_of(probe: Callable[[], None]) -> str | None:
    """The reason for which a service does not answer yet; None if it answers."""
    try:
        probe()
    except Exception as error:  # noqa: BLE001 - each client library has errors of its own
        return f"{type(error).__name__}: {error}"
    return None


def _kill_with_descendants(pid: int, timeout_s: float) -> None:
    """SIGKILL a process group, and descendants in other groups, such as PostgreSQL's.

    A descendant that outlives its parent would block shared memory for the next start."""
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for process in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(below, timeout_s)


def _send(pid: int, stop_signal: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, stop_signal)


def _wait_for_end(record: ProcessRecord, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while record.is_alive and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
