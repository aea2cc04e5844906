"""The description of a service: its command line, its probe, its settings."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LOOPBACK = "127.0.0.1"

_PROJECT_ROOT = Path(__file__).resolve().parents[2]

Notify = Callable[[str], None]


@dataclass(frozen=True)
class ServiceContext:
    """The place of one service of one stack. A purge deletes its `directory`."""

    state: Path
    name: str
    port: int
    notify: Notify

    @property
    def directory(self) -> Path:
        return self.state / self.name


def python_module(module: str, *arguments: str) -> list[str]:
    """Command line of one of our own modules, for any working directory of the caller."""
    # `env` becomes the program itself, so the recorded pid stays the service's.
    search = os.pathsep.join(filter(None, (str(_PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    return ["/usr/bin/env", f"PYTHONPATH={search}", sys.executable, "-m", module, *arguments]


def _nothing(context: ServiceContext) -> None:
    """The default for optional steps: does nothing."""
    del context


def _no_settings(context: ServiceContext) -> Mapping[str, str]:
    del context
    return {}


def _no_detail(context: ServiceContext) -> str:
    del context
    return ""


@dataclass(frozen=True)
class ServiceSpec:
    """One background service, for registration with `LocalStack`.

    `prepare` runs before each start and may take long (an installation); `command` builds the
    command line; `probe` returns when the service answers and raises any exception until then;
    `settings` are lines for the `env` file; `requires` names services that must answer first;
    `purge` removes what lies outside the service's own directory.
    """

    name: str
    command: Callable[[ServiceContext], Sequence[str]]
    probe: Callable[[ServiceContext], None]
    settings: Callable[[ServiceContext], Mapping[str, str]] = _no_settings
    prepare: Callable[[ServiceContext], None] = _nothing
    purge: Callable[[ServiceContext], None] = _nothing
    detail: Callable[[ServiceContext], str] = _no_detail
    requires: tuple[str, ...] = ()
    has_port: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    ready_timeout_s: float = 30.0


Condition = Literal["running", "not answering", "stopped", "external"]


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `status`. The stack never starts or stops an `external` service."""

    name: str
    condition: Condition
    pid: int | None
    port: int | None
    detail: str
