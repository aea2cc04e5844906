"""The local stack: the services that kontrib needs, in the background of this machine.

    stack = LocalStack(Path(".kontrib"), notify=print)
    stack.up()        # starts missing services, waits until they answer
    stack.settings()  # MONGO_URI, REDIS_URL, ...: also in the file `env` of the state folder
    stack.down()      # stops the services that it started

Further services are registered as a `ServiceSpec`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.local import engine
from deploy.local.errors import LocalStackError
from deploy.local.memory import MEMORY_FILE, StackMemory
from deploy.local.redis_server import redis_service
from deploy.local.runner import ServiceRunner, with_requirements
from deploy.local.service import Notify, ServiceSpec, ServiceStatus
from deploy.local.state_files import locked, update_lines

DEFAULT_DATABASE = "kontrib"
_OUR_FILES = (MEMORY_FILE, "processes.json")


class LocalStack:
    """The services of one state folder. Raises only LocalStackError."""

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
        self._runner = ServiceRunner(self.state, notify)

    def register(self, service: ServiceSpec) -> None:
        """Add a service before `up`."""
        self._extra_services.append(service)

    def up(self) -> list[ServiceStatus]:
        """Start missing services, wait until all answer, and write the `env` file."""
        with self._alone():
            memory = self._memory()
            uri = self._external_uri(memory)
            choice = engine.choose_engine(self._environment, uri, memory.engine)
            specs = [*choice.services, redis_service(), *self._extra_services]
            ports = self._runner.ports_for(specs, memory.ports)
            # Our own engine keeps its data here even while the user's engine is in use.
            kind = choice.kind if choice.services else memory.engine
            StackMemory(kind, choice.external_uri, ports).write(self.state)
            self._runner.start_all(specs, ports)
            update_lines(self.env_file, self.settings())
        return self.status()

    def down(self, *, purge: bool = False) -> list[str]:
        """Stop the services of `up`, the last one first, and return the names of running ones.

        The data stays. With `purge`, everything that the stack made is deleted.
        """
        if not self.state.exists():
            return []
        with self._alone():
            stopped = self._runner.stop_all()
            if purge:
                self._purge()
        return stopped

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop and start a service and the services that it requires, on the same ports.

        With `kill` they cannot clean up, like in a crash.
        """
        with self._alone():
            memory = self._memory()
            chosen = with_requirements(name, self._known_specs(memory))
            for spec in reversed(chosen):
                self._runner.stop(spec.name, kill=kill)
            self._runner.start_all(chosen, memory.ports)

    def status(self) -> list[ServiceStatus]:
        """The present state of each service."""
        memory = self._memory()
        specs = self._known_specs(memory)
        statuses = [self._runner.status_of(spec, memory.ports) for spec in specs]
        if memory.external_uri:
            statuses.insert(0, _external_status(memory.external_uri))
        return statuses

    def settings(self) -> dict[str, str]:
        """The settings of this stack in its `env` file. Empty before the first `up`."""
        memory = self._memory()
        if not memory.ports:
            return {}
        database = self._environment.get("MONGO_DATABASE", DEFAULT_DATABASE)
        settings = {"MONGO_DATABASE": database}
        if memory.external_uri:
            settings["MONGO_URI"] = memory.external_uri
        for spec in self._known_specs(memory):
            settings |= spec.settings(self._runner.context(spec, memory.ports))
        return settings

    @property
    def env_file(self) -> Path:
        return self.state / "env"

    def _memory(self) -> StackMemory:
        return StackMemory.read(self.state)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one command at a time work on a state folder."""
        waiting = f"Another command is working on {self.state}; waiting for it."
        with locked(self.state / "lock", lambda: self._notify(waiting)):
            yield

    def _external_uri(self, memory: StackMemory) -> str | None:
        """The user's MongoDB. A URI that came from our own `env` file does not count."""
        uri = self._environment.get("MONGO_URI")
        port = memory.ports.get(engine.NAME)
        return None if port is not None and uri == engine.local_uri(port) else uri

    def _known_specs(self, memory: StackMemory) -> list[ServiceSpec]:
        services = () if memory.external_uri else self._engine_services(memory)
        return [*services, redis_service(), *self._extra_services]

    def _engine_services(self, memory: StackMemory) -> Sequence[ServiceSpec]:
        kind = memory.engine
        return engine.engine_services(kind, self._environment) if kind else ()

    def _purge(self) -> None:
        """Delete only the files of the stack, since the folder may hold other files."""
        settings, memory = self.settings(), self._memory()
        for spec in (*self._engine_services(memory), *self._known_specs(memory)):
            context = self._runner.context(spec, memory.ports)
            spec.purge(context)
            shutil.rmtree(context.directory, ignore_errors=True)
        shutil.rmtree(self.state / "logs", ignore_errors=True)
        update_lines(self.env_file, {}, forget=list(settings))
        for name in _OUR_FILES:
            (self.state / name).unlink(missing_ok=True)
        self._notify(f"The data in {self.state} is deleted.")


def _external_status(uri: str) -> ServiceStatus:
    """Probe the user's own MongoDB without a change. Its URI may hold a password."""
    try:
        engine.check_external(uri)
    except LocalStackError as error:
        return ServiceStatus(engine.NAME, "not answering", None, None, str(error))
    return ServiceStatus(engine.NAME, "external", None, None, "given by MONGO_URI")
