"""A real Flower with the configuration of deploy/flower, without any key."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "deploy/flower/flowerconfig.py"
USER, PASSWORD = "kontrib", "flower-Pa55word"
SAVE_SECONDS = 0.5
KEYS = ("SOLANA_PRIVATE_KEY_FILE", "SOLANA_PRIVATE_KEY", "RECEIPT_KEY_FILE", "FEE_PAYER_KEY_FILE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The settings of a process that signs nothing, in a separate file."""
    env_file = folder / "watch-only.env"
    kept = {k: v for k, v in variables.items() if k not in KEYS} | {"WATCH_ONLY": "true"}
    env_file.write_text("".join(f"{k}={v}\n" for k, v in kept.items()))
    env_file.chmod(0o600)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FLOWER_")}
    return {**inherited, "KONTRIB_ENV_FILE": str(env_file)}


def command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "celery", "-A", "worker.app", "flower", *arguments]


class Flower:
    """Flower in the background."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str], *, read_only: bool = True
    ) -> None:
        self.folder, self.port = folder, free_port()
        password = folder / "flower-password"
        password.write_text(PASSWORD + "\n")
        self._environment = {
            **environment(folder, variables),
            "FLOWER_PASSWORD_FILE": str(password),
            "FLOWER_PORT": str(self.port),
            "FLOWER_DB": str(folder / "flower.db"),
            "FLOWER_STATE_SAVE_INTERVAL": str(int(SAVE_SECONDS * 1000)),
            "FLOWER_READ_ONLY": str(read_only).lower(),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def log(self) -> Path:
        return self.folder / "flower.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_login(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command(f"--conf={CONFIG}"),
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.get("/healthcheck")
                return
            time.sleep(0.2)
        raise AssertionError(f"Flower did not start: {self.log.read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, how)
        self._process.wait(30)

    def get(self, path: str, *, password: str | None = PASSWORD) -> str:
        return self.request("GET", path, password=password)[1]

    def request(
        self, method: str, path: str, *, password: str | None = PASSWORD, body: bytes | None = None
    ) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, body, method=method)  # noqa: S310
        if password is not None:
            login = base64.b64encode(f"{USER}:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Every task that Flower saw, by id."""
        return dict(json.loads(self.get("/api/tasks?limit=5000")))

    def worker(self) -> str:
        """A worker's name, as soon as Flower saw it start a task.

        A task of which Flower saw only the sending has no worker yet.
        """
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for task in self.tasks().values():
                if "worker" in task:
                    return str(task["worker"])
            time.sleep(0.2)
        raise AssertionError(f"Flower saw no worker: {self.tasks()}")
