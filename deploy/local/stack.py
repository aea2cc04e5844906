"""The local stack: everything kontrib needs, on this machine, in the background.

    stack = LocalStack(Path(".kontrib"), notify=print)
    stack.up()        # starts what is not running, waits until it really answers
    stack.settings()  # MONGO_URI, REDIS_URL, ...: also in the file `env` of the state folder
    stack.down()      # stops exactly what it started

Further services are registered as a `ServiceSpec`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.local import engine
from deploy.local.errors import LocalServiceFailed, LocalStackError, ServiceNotKnown
from deploy.local.processes import ProcessTable
from deploy.local.redis_server import redis_service
from deploy.local.service import LOOPBACK, Notify, ServiceContext, ServiceSpec, ServiceStatus
from deploy.local.state_files import locked, tail, write_atomically

DEFAULT_DATABASE = "kontrib"
# Below the range from which systems take ports for outgoing connections, so that a port stays free
# while its service is being restarted.
_PORTS = range(20_000, 32_000)
_OUR_FILES = ("stack.json", "processes.json")


class LocalStack:
    """The services of one state folder. Every error that it raises is a LocalStackError."""

    def __init__(
        self,
        state: Path,
        notify: Notify,
        *,
        services: Sequence[ServiceSpec] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is read for MONGO_URI, MONGO_DATABASE, KONTRIB_CACHE and the PATH."""
        self.state = state.absolute()
        self._notify = notify
        self._extra_services = list(services)
        self._environment = dict(os.environ if environment is None else environment)
        self._processes = ProcessTable(self.state)

    def register(self, service: ServiceSpec) -> None:
        """Add a service of your own, before `up`."""
        self._extra_services.append(service)

    def up(self) -> list[ServiceStatus]:
        """Start what is not running, wait until all of it answers, and write the `env` file."""
        with self._alone():
            memory = self._recall()
            choice = engine.choose_engine(
                self._environment, self._external_uri(memory), memory["engine"]
            )
            specs = [*choice.services, redis_service(), *self._extra_services]
            ports = self._ports_for(specs, memory["ports"])
            self._remember(choice, memory["engine"], ports)
            self._start_all(specs, ports)
            self._update_env(self.settings())
        return self.status()

    def down(self, *, purge: bool = False) -> list[str]:
        """Stop what `up` started, the last one first, and return the names of what was running.

        The data stays, unless `purge`: then everything that the stack made is deleted.
        """
        if not self.state.exists():
            return []
        with self._alone():
            stopped = []
            for record in reversed(self._processes.records()):
                if self._processes.stop(record.name):
                    stopped.append(record.name)
                    self._notify(f"{record.name}: stopped")
            if purge:
                self._purge()
        return stopped

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop and start a service, and those it is built on, on the same ports.

        With `kill` they get no chance to clean up, as in a crash.
        """
        with self._alone():
            specs = self._known_specs()
            chosen = _with_requirements(name, specs)
            for spec in reversed(chosen):
                self._processes.stop(spec.name, kill=kill)
            self._start_all(chosen, self._recall()["ports"])

    def status(self) -> list[ServiceStatus]:
        """Each service, and whether it answers right now."""
        memory = self._recall()
        statuses = [self._status_of(spec, memory["ports"]) for spec in self._known_specs()]
        if memory["external_uri"]:
            statuses.insert(0, _external_status(memory["external_uri"]))
        return statuses

    def settings(self) -> dict[str, str]:
        """What the `env` file holds for this stack. Empty before the first `up`."""
        memory = self._recall()
        if not memory["ports"]:
            return {}
        database = self._environment.get("MONGO_DATABASE", DEFAULT_DATABASE)
        settings = {"MONGO_DATABASE": database}
        if memory["external_uri"]:
            settings["MONGO_URI"] = memory["external_uri"]
        for spec in self._known_specs():
            settings |= spec.settings(self._context(spec, memory["ports"]))
        return settings

    @property
    def env_file(self) -> Path:
        return self.state / "env"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time on a state folder."""
        waiting = f"Another command is working on {self.state}; waiting for it."
        with locked(self.state / "lock", lambda: self._notify(waiting)):
            yield

    def _external_uri(self, memory: Mapping[str, Any]) -> str | None:
        """The user's MongoDB. Our own `env` file, read back into the environment, is not that."""
        uri = self._environment.get("MONGO_URI")
        port = memory["ports"].get(engine.NAME)
        return None if port is not None and uri == engine.local_uri(port) else uri

    def _recall(self) -> dict[str, Any]:
        """What earlier commands decided: the engine, and each service's port."""
        memory: dict[str, Any] = {"engine": None, "external_uri": None, "ports": {}}
        with contextlib.suppress(FileNotFoundError):
            memory |= json.loads((self.state / "stack.json").read_text())
        return memory

    def _remember(
        self, choice: engine.EngineChoice, kind_before: str | None, ports: Mapping[str, int]
    ) -> None:
        # The engine of an earlier time still holds data here while the user's own is in use.
        kind = choice.kind if choice.services else kind_before
        memory = {"engine": kind, "external_uri": choice.external_uri, "ports": ports}
        write_atomically(self.state / "stack.json", json.dumps(memory, indent=1))

    def _known_specs(self) -> list[ServiceSpec]:
        memory = self._recall()
        services = () if memory["external_uri"] else self._engine_services(memory)
        return [*services, redis_service(), *self._extra_services]

    def _engine_services(self, memory: Mapping[str, Any]) -> Sequence[ServiceSpec]:
        kind = memory["engine"]
        return engine.engine_services(kind, self._environment) if kind else ()

    def _context(self, spec: ServiceSpec, ports: Mapping[str, int]) -> ServiceContext:
        return ServiceContext(self.state, spec.name, ports.get(spec.name, 0), self._notify)

    def _ports_for(
        self, specs: Sequence[ServiceSpec], remembered: Mapping[str, int]
    ) -> dict[str, int]:
        """The ports of earlier times, and new ones where there are none or another took them."""
        ports = dict(remembered)
        for spec in specs:
            if not spec.has_port or self._processes.find_alive(spec.name):
                continue
            before = ports.get(spec.name)
            if before is not None and not _is_free(before):
                self._notify(f"{spec.name}: another program has its port {before} now")
                before = None
            ports[spec.name] = before or _free_port(taken=set(ports.values()))
        return ports

    def _start_all(self, specs: Sequence[ServiceSpec], ports: Mapping[str, int]) -> None:
        """Start services side by side, each when those that it requires answer."""
        started: dict[str, Future[None]] = {}

        def start(spec: ServiceSpec) -> None:
            for name in spec.requires:
                if name in started:
                    started[name].result()
            self._start(spec, self._context(spec, ports))

        with ThreadPoolExecutor(max_workers=len(specs)) as pool:
            for spec in specs:
                started[spec.name] = pool.submit(start, spec)
        for future in started.values():
            future.result()

    def _start(self, spec: ServiceSpec, context: ServiceContext) -> None:
        running = self._processes.find_alive(spec.name)
        if running is None:
            try:
                context.directory.mkdir(parents=True, exist_ok=True)
                spec.prepare(context)
                self._processes.start(spec.name, spec.command(context), spec.stop_signal)
            except (OSError, subprocess.SubprocessError) as error:
                log = self._processes.log_file(spec.name)
                raise LocalServiceFailed(
                    spec.name, f"could not be started ({error})", log, tail(log)
                ) from error
        self._processes.wait_until_ready(
            spec.name, lambda: spec.probe(context), spec.ready_timeout_s
        )
        self._notify(f"{spec.name}: {'already running' if running else 'started'}")

    def _status_of(self, spec: ServiceSpec, ports: Mapping[str, int]) -> ServiceStatus:
        context = self._context(spec, ports)
        port = context.port or None
        running = self._processes.find_alive(spec.name)
        if running is None:
            return ServiceStatus(spec.name, "stopped", None, port, "")
        try:
            spec.probe(context)
            detail = spec.detail(context)
        except Exception as error:  # noqa: BLE001 - a probe raises whatever its library raises
            return ServiceStatus(spec.name, "not answering", running.pid, port, str(error))
        return ServiceStatus(spec.name, "running", running.pid, port, detail)

    def _update_env(self, settings: Mapping[str, str], forget: Sequence[str] = ()) -> None:
        """Put our lines into the `env` file, and leave the lines of others as they are."""
        lines: dict[str, str] = {}
        if self.env_file.exists():
            for line in self.env_file.read_text().splitlines():
                lines[line.partition("=")[0]] = line
        lines |= {key: f"{key}={value}" for key, value in settings.items()}
        kept = [line for key, line in lines.items() if key not in forget]
        if kept:
            write_atomically(self.env_file, "\n".join(kept) + "\n")
        else:
            self.env_file.unlink(missing_ok=True)

    def _purge(self) -> None:
        """Delete what the stack made, and only that: the folder may hold other things too."""
        settings, memory = self.settings(), self._recall()
        for spec in (*self._engine_services(memory), *self._known_specs()):
            context = self._context(spec, memory["ports"])
            spec.purge(context)
            shutil.rmtree(context.directory, ignore_errors=True)
        shutil.rmtree(self.state / "logs", ignore_errors=True)
        self._update_env({}, forget=list(settings))
        for name in _OUR_FILES:
            (self.state / name).unlink(missing_ok=True)
        self._notify(f"The data in {self.state} is deleted.")


def _with_requirements(name: str, specs: Sequence[ServiceSpec]) -> list[ServiceSpec]:
    """The service and all that it is built on, these first."""
    by_name = {spec.name: spec for spec in specs}
    if name not in by_name:
        raise ServiceNotKnown(name, list(by_name))
    spec = by_name[name]
    below = [s for required in spec.requires for s in _with_requirements(required, specs)]
    return [*below, spec]


def _external_status(uri: str) -> ServiceStatus:
    """The user's own MongoDB: looked at, never touched. Its URI may hold a password."""
    try:
        engine.check_external(uri)
    except LocalStackError as error:
        return ServiceStatus(engine.NAME, "not answering", None, None, str(error))
    return ServiceStatus(engine.NAME, "external", None, None, "given by MONGO_URI")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    for port in random.sample(_PORTS, k=200):
        if port not in taken and _is_free(port):
            return port
    raise LocalStackError(f"No free port between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}.")
