"""Starts services and waits until they answer, stops them, and probes them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from deploy.local.errors import LocalServiceFailed, ServiceNotKnown
from deploy.local.ports import free_port, is_free
from deploy.local.processes import ProcessTable
from deploy.local.service import Notify, ServiceContext, ServiceSpec, ServiceStatus
from deploy.local.state_files import tail


class ServiceRunner:
    """Runs services as background processes of one state folder."""

    def __init__(self, state: Path, notify: Notify) -> None:
        self._state, self._notify = state, notify
        self._processes = ProcessTable(state)

    def context(self, spec: ServiceSpec, ports: Mapping[str, int]) -> ServiceContext:
        return ServiceContext(self._state, spec.name, ports.get(spec.name, 0), self._notify)

    def ports_for(
        self, specs: Sequence[ServiceSpec], remembered: Mapping[str, int]
    ) -> dict[str, int]:
        """The remembered ports. A missing or occupied port gets replaced by a new one."""
        ports = dict(remembered)
        for spec in specs:
            if not spec.has_port or self._processes.find_alive(spec.name):
                continue
            before = ports.get(spec.name)
            if before is not None and not is_free(before):
                self._notify(f"{spec.name}: another program has its port {before} now")
                before = None
            ports[spec.name] = before or free_port(taken=set(ports.values()))
        return ports

    def start_all(self, specs: Sequence[ServiceSpec], ports: Mapping[str, int]) -> None:
        """Start services in parallel, each once its required services answer."""
        started: dict[str, Future[None]] = {}

        def start(spec: ServiceSpec) -> None:
            for name in spec.requires:
                if name in started:
                    started[name].result()
            self._start(spec, self.context(spec, ports))

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

    def stop(self, name: str, *, kill: bool) -> None:
        self._processes.stop(name, kill=kill)

    def stop_all(self) -> list[str]:
        """Stop the running services, the last one first, and return their names."""
        stopped = []
        for record in reversed(self._processes.records()):
            if self._processes.stop(record.name):
                stopped.append(record.name)
                self._notify(f"{record.name}: stopped")
        return stopped

    def status_of(self, spec: ServiceSpec, ports: Mapping[str, int]) -> ServiceStatus:
        context = self.context(spec, ports)
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


def with_requirements(name: str, specs: Sequence[ServiceSpec]) -> list[ServiceSpec]:
    """The services that one service requires, and then the service itself.

    Raises:
        ServiceNotKnown: no service has that name.
    """
    by_name = {spec.name: spec for spec in specs}
    if name not in by_name:
        raise ServiceNotKnown(name, list(by_name))
    spec = by_name[name]
    below = [s for required in spec.requires for s in with_requirements(required, specs)]
    return [*below, spec]
