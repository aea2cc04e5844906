"""A real Redis with a password, and the ways in which it fails its clients."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from deploy.local.ports import free_port
from deploy.local.redis_server import find_redis_server

PASSWORD = "Redis-Pa55word"
START_SECONDS_MAX = 20


class FaultyRedis:
    """Redis on its own port. Each fault is a context that repairs Redis at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port(taken=set())
        self._process = self._start()

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self._port}/0"

    @property
    def faults(self) -> dict[str, Callable[[], contextlib.AbstractContextManager[None]]]:
        """The faults by the words that name them to an operator."""
        return {
            "is read-only": self._read_only,
            "is full": self._full,
            "refuses the password": self._another_password,
            "accepts no more connections": self._no_more_clients,
            "does not answer (Timeout": self._frozen,
            "does not answer (Error": self._killed,
        }

    def client(self, password: str = PASSWORD) -> redis.Redis:
        return redis.Redis(port=self._port, password=password, socket_timeout=5)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(20)

    def _start(self) -> subprocess.Popen[bytes]:
        options = {"port": self._port, "requirepass": PASSWORD, "dir": self._folder}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with (self._folder / "redis.log").open("ab") as log:
            process = subprocess.Popen(
                [find_redis_server(), *arguments, "--save", "", "--appendonly", "no"],
                stdout=log,
                stderr=log,
            )
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.2), START_SECONDS_MAX * 5)
        with redis.Redis(port=self._port, password=PASSWORD, retry=retry) as client:
            client.ping()
        return process

    @contextlib.contextmanager
    def _read_only(self) -> Iterator[None]:
        """A failover made it a replica."""
        self.client().replicaof("127.0.0.1", "1")
        yield
        self.client().replicaof("NO", "ONE")

    @contextlib.contextmanager
    def _full(self) -> Iterator[None]:
        self.client().config_set("maxmemory", "1")
        yield
        self.client().config_set("maxmemory", "0")

    @contextlib.contextmanager
    def _another_password(self) -> Iterator[None]:
        self.client().config_set("requirepass", "another")
        self._cut_connections("another")
        yield
        self.client("another").config_set("requirepass", PASSWORD)

    @contextlib.contextmanager
    def _no_more_clients(self) -> Iterator[None]:
        client = self.client()
        client.config_set("maxclients", "1")
        self._cut_connections(PASSWORD, client)
        yield
        client.config_set("maxclients", "1000")

    def _cut_connections(self, password: str, client: redis.Redis | None = None) -> None:
        """End all other connections: Redis checks a password and a limit only at first."""
        client = client or self.client(password)
        for each in client.client_list():
            if int(each["id"]) != client.client_id():
                client.client_kill_filter(_id=each["id"])

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def _killed(self) -> Iterator[None]:
        self._process.kill()
        self._process.wait(20)
        yield
        self._process = self._start()
