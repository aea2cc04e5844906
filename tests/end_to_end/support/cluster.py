"""Real Celery processes on the real stack: started, watched and ended by a test."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import redis
from celery import Celery

from config.settings import Settings, load_settings
from worker.bootstrap.contexts import build_context
from worker.bootstrap.database import open_database
from worker.core.lifecycle import Stage
from worker.core.week import Week
from worker.services.context import Context

# All waiting times, shortened so that a test takes seconds.
FAST = {
    "PLAN_GRACE_SECONDS": "0",
    "SWEEP_SECONDS": "2",
    "LEASE_SECONDS": "4",
    "BACKOFF_SCALE": "0.02",
    "RPC_TIMEOUT_SECONDS": "3",
    "LOG_FORMAT": "json",
}

POLL_SECONDS = 0.2
LOOKS_BETWEEN_SWEEPS = 50


class Cluster:
    """Settings of one database on the stack, and the processes that work on it."""

    _running: ClassVar[list[Cluster]] = []

    def __init__(
        self,
        folder: Path,
        stack: Mapping[str, str],
        week: Week,
        *,
        through: Mapping[str, str] | None = None,
        **overrides: str,
    ) -> None:
        """`through` holds settings that only the processes have, such as a proxy's address."""
        now = week.end + timedelta(minutes=30)
        self.week = week
        self.folder = folder
        self.variables = {
            **stack,
            **FAST,
            "MONGO_DATABASE": f"test_{os.getpid()}_{time.monotonic_ns()}",
            "PLAN_ARCHIVE_URL": str(folder / "plans"),
            "CLOCK_OFFSET_SECONDS": str(int((now - datetime.now(UTC)).total_seconds())),
            **overrides,
        }
        write_env(folder / "env", {**self.variables, **(through or {})})
        write_env(folder / "env.direct", self.variables)
        self.settings: Settings = load_settings(folder / "env.direct")
        self.context: Context = build_context(self.settings)
        self.database: Any = open_database(self.settings)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        self._forget_old_messages()
        self._running.append(self)

    def _forget_old_messages(self) -> None:
        """Delete messages of earlier clusters from Redis: our workers would take them."""
        url = self.settings.redis_url
        if all(other.settings.redis_url != url for other in self._running):
            with redis.Redis.from_url(url.get_secret_value()) as client:
                client.flushdb()

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `celery -A worker.app ...` in a separate process group."""
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "worker.app", *arguments],
            env={**os.environ, "KONTRIB_ENV_FILE": str(self.folder / "env")},
            cwd=Path(__file__).resolve().parents[3],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.processes[name] = process
        self._started.append(process)
        return process

    def start_worker(self, name: str = "worker", concurrency: int = 2) -> subprocess.Popen[bytes]:
        return self.start(
            name, "worker", f"--concurrency={concurrency}", "-n", f"{name}@%h", "--loglevel=INFO"
        )

    def start_beat(self) -> subprocess.Popen[bytes]:
        return self.start("beat", "beat", "-s", str(self.folder / "beat-schedule"))

    def send(self, task: str, **arguments: Any) -> None:
        """Send a task, as any client of the broker can."""
        with Celery(broker=self.settings.redis_url.get_secret_value()) as client:
            client.conf.task_create_missing_queues = True
            client.send_task(task, kwargs=arguments, queue="control")

    def call(self, task: str, *arguments: str) -> None:
        """Send a task with positional arguments, as `celery call` does."""
        command = [sys.executable, "-m", "celery", "-A", "worker.app", "call", task]
        subprocess.run(
            [*command, "--args", json.dumps(arguments)],
            env={**os.environ, "KONTRIB_ENV_FILE": str(self.folder / "env")},
            cwd=Path(__file__).resolve().parents[3],
            check=True,
            capture_output=True,
        )

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a process and its children."""
        process = self.processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, how)
        process.wait(60)

    def stop(self) -> None:
        for process in self._started:
            # The children of a killed parent are still in its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
        self.processes.clear()
        self._running.remove(self)
        self.database.client.drop_database(self.database.name)

    def log(self, name: str = "worker") -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait(self, what: Callable[[], bool], seconds: float, message: str) -> None:
        # The limit is a number of looks and not a time, so that a paused machine is not late.
        for _ in range(round(seconds / POLL_SECONDS)):
            if what():
                return
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{message} within {seconds} s\n{self.describe()}")

    def wait_until_closed(self, week: Week | None = None, seconds: float = 180) -> None:
        wanted = week or self.week
        self.wait(lambda: self.is_closed(wanted), seconds, f"{wanted} was not closed")

    def wait_until_closed_without_beat(self) -> None:
        """Wake the week now and then: without beat, nothing else wakes it after a failure."""
        looks = itertools.count(1)

        def is_closed() -> bool:
            if next(looks) % LOOKS_BETWEEN_SWEEPS == 0:
                self.send("tasks.distribute")
            return self.is_closed(self.week)

        self.wait(is_closed, 180, f"{self.week} was not closed")

    def is_closed(self, week: Week) -> bool:
        distribution = self.context.store.distribution(week)
        return distribution is not None and distribution.stage is Stage.COMPLETED

    def describe(self) -> str:
        weeks = "\n".join(map(str, self.context.store.distributions()))
        tails = "\n".join(f"--- {n}\n{self.log(n)[-3000:]}" for n in self.processes)
        return f"{weeks}\n{tails}"


def write_env(path: Path, variables: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    path.chmod(0o600)
