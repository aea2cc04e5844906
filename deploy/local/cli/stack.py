"""The local stack of the command line: engine, Redis, chain, and Celery's processes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.chain.service import chain_service
from deploy.local.processes import ProcessTable
from deploy.local.service import LOOPBACK, ServiceContext, ServiceSpec, python_module
from deploy.local.stack import LocalStack
from deploy.local.state_files import write_atomically
from worker.cli.console import say

WORKER, BEAT, FLOWER = "worker", "beat", "flower"
WORKER_NAME = "kontrib@local"
WORKER_PROCESSES = 2
FLOWER_USER = "kontrib"
FLOWER_CONFIG = Path(__file__).resolve().parents[2] / "flower" / "flowerconfig.py"
PROBE_SECONDS = 2.0
READY_SECONDS = 90.0


def open_stack(state: Path, environment: Mapping[str, str] | None = None) -> LocalStack:
    """The stack of a state folder: MongoDB engine, Redis and chain."""
    return LocalStack(state, _notify, services=[chain_service()], environment=environment)


def _notify(line: str) -> None:
    """Print a line, unless it only reports a running service."""
    if not line.endswith(": already running"):
        say(f"    {line}")


def open_whole_stack(state: Path) -> LocalStack:
    """The stack with Celery's processes if they run there, for a look at it."""
    stack = open_stack(state)
    started = {record.name for record in ProcessTable(stack.state).records()}
    if started & {WORKER, BEAT, FLOWER}:
        register_celery(stack)
    return stack


def register_celery(stack: LocalStack) -> None:
    """Add a worker, beat and Flower as real processes, like in production."""
    for spec in (_worker(stack), _beat(stack), _flower(stack)):
        stack.register(spec)


def flower_address(stack: LocalStack) -> str | None:
    """The URL of a running Flower."""
    port = next((s.port for s in stack.status() if s.name == FLOWER), None)
    return f"http://{LOOPBACK}:{port}" if port else None


def flower_login(stack: LocalStack) -> tuple[str, Path]:
    """The user name, and the private file with the password."""
    return FLOWER_USER, stack.state / FLOWER / "password"


def _celery(
    stack: LocalStack, *arguments: str, settings: Mapping[str, str] | None = None
) -> list[str]:
    """A Celery command that takes its settings from this stack alone."""
    settings = {
        "KONTRIB_ENV_FILE": str(stack.env_file),
        "LOG_FORMAT": "console",
        **(settings or {}),
    }
    command = python_module("celery", "-A", "worker.app", *arguments)
    program, *rest = command
    return [program, *(f"{name}={value}" for name, value in settings.items()), *rest]


def _worker(stack: LocalStack) -> ServiceSpec:
    arguments = ["--concurrency", str(WORKER_PROCESSES), "--loglevel", "INFO"]
    arguments += ["--hostname", WORKER_NAME, "--without-mingle"]
    return ServiceSpec(
        name=WORKER,
        command=lambda _: _celery(stack, "worker", *arguments),
        probe=lambda _: _ping_worker(stack.settings()["REDIS_URL"]),
        requires=("redis",),
        has_port=False,
        ready_timeout_s=READY_SECONDS,
    )


def _ping_worker(redis_url: str) -> None:
    """
    Raises:
        LookupError: the worker does not answer yet.
    """
    from celery import Celery

    with Celery(broker=redis_url) as app:
        if not app.control.ping(destination=[WORKER_NAME], timeout=PROBE_SECONDS, limit=1):
            raise LookupError("no answer to a ping")


def _beat(stack: LocalStack) -> ServiceSpec:
    def schedule(context: ServiceContext) -> Path:
        return context.directory / "schedule"

    def command(context: ServiceContext) -> Sequence[str]:
        return _celery(stack, "beat", "--schedule", str(schedule(context)), "--pidfile", "")

    def probe(context: ServiceContext) -> None:
        # The library behind this file may add its own suffix.
        next(context.directory.glob(f"{schedule(context).name}*"))

    return ServiceSpec(name=BEAT, command=command, probe=probe, requires=("redis",), has_port=False)


def _flower(stack: LocalStack) -> ServiceSpec:
    def prepare(_: ServiceContext) -> None:
        password = secrets.token_urlsafe(12)
        write_atomically(flower_login(stack)[1], password + "\n")

    def command(context: ServiceContext) -> Sequence[str]:
        settings = {
            "FLOWER_ADDRESS": LOOPBACK,
            "FLOWER_PORT": str(context.port),
            "FLOWER_USER": FLOWER_USER,
            "FLOWER_PASSWORD_FILE": str(flower_login(stack)[1]),
            "FLOWER_DB": str(context.directory / "flower.db"),
            "FLOWER_STATE_SAVE_INTERVAL": "5000",
        }
        return _celery(stack, "flower", f"--conf={FLOWER_CONFIG}", settings=settings)

    return ServiceSpec(
        name=FLOWER,
        command=command,
        prepare=prepare,
        probe=_flower_probe,
        requires=("redis",),
        ready_timeout_s=READY_SECONDS,
    )


def _flower_probe(context: ServiceContext) -> None:
    """Raise unless Flower answers. A refusal for lack of the password is an answer."""
    import http.client

    connection = http.client.HTTPConnection(LOOPBACK, context.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    finally:
        connection.close()


def read_env(path: Path) -> dict[str, str]:
    """The settings in a stack's `env` file."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
