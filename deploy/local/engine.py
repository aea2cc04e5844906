"""Chooses a MongoDB for the local stack: the user's, `mongod`, Docker's, or DocumentDB.

The first available one wins. Its service is always called `mongo`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from deploy.local.errors import LocalStackError, MongoUriUnreachable, NoMongoEngine
from deploy.local.mongo import documentdb
from deploy.local.mongo.documentdb_install import why_not_possible
from deploy.local.service import LOOPBACK, ServiceContext, ServiceSpec, python_module

NAME = "mongo"
DOCKER_IMAGE = "mongo:8"
DOCKER_PROBE_TIMEOUT_S = 5
EXTERNAL_TIMEOUT_MS = 3_000
# The preparation downloads the image, so the time limit for the first answer excludes it.
DOCKER_PULL_TIMEOUT_S = 900


@dataclass(frozen=True)
class EngineChoice:
    """The engine of a stack and its services. The user's own MongoDB needs none."""

    kind: str
    services: tuple[ServiceSpec, ...]
    external_uri: str | None = None


def choose_engine(
    environment: Mapping[str, str], external_uri: str | None, kind_before: str | None
) -> EngineChoice:
    """The engine with this state's data, or else the first available one.

    Raises NoMongoEngine, MongoUriUnreachable, or LocalStackError if that engine has gone.
    """
    if external_uri:
        check_external(external_uri)
        return EngineChoice("external", (), external_uri)
    kinds: dict[str, Callable[[], str | None]] = {
        "mongod": lambda: _without_mongod(environment),
        "docker": lambda: _without_docker(environment),
        "documentdb": lambda: why_not_possible(environment),
    }
    if kind_before in kinds:
        if reason := kinds[kind_before]():
            raise LocalStackError(
                f"This state's data was made with {kind_before}, which is not available now: "
                f"{reason}. Bring it back, or stop the stack with purge to begin afresh."
            )
        return EngineChoice(kind_before, engine_services(kind_before, environment))
    reasons = {"MONGO_URI": "set it to a MongoDB that runs, e.g. mongodb://127.0.0.1:27017"}
    for kind, obstacle in kinds.items():
        reason = obstacle()
        if reason is None:
            return EngineChoice(kind, engine_services(kind, environment))
        reasons[_TITLES[kind]] = reason
    raise NoMongoEngine(reasons)


_TITLES = {"mongod": "mongod", "docker": "Docker", "documentdb": "DocumentDB from Debian"}


def engine_services(kind: str, environment: Mapping[str, str]) -> tuple[ServiceSpec, ...]:
    """The services that an engine of this kind needs."""
    if kind == "mongod":
        return (_mongod_service(environment),)
    if kind == "docker":
        return (_docker_service(environment),)
    if kind == "documentdb":
        return (documentdb.documentdb_service(environment), _gateway_service())
    return ()


def _program(name: str, environment: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=environment.get("PATH", ""))


def _without_mongod(environment: Mapping[str, str]) -> str | None:
    if _program("mongod", environment):
        return None
    return "install MongoDB, so that `mongod` is on the PATH"


def _without_docker(environment: Mapping[str, str]) -> str | None:
    """Return the obstacle to Docker. A client without a daemon is not enough."""
    docker = _program("docker", environment)
    if docker is None:
        return "install Docker"
    try:
        if _run(docker, "info", timeout_s=DOCKER_PROBE_TIMEOUT_S) == 0:
            return None
    except subprocess.TimeoutExpired:
        return "start the Docker daemon (`docker info` does not answer)"
    return "start the Docker daemon (`docker info` fails)"


def check_external(uri: str) -> None:
    """Raise unless the user's MongoDB answers. Writes nothing."""
    try:
        with _client(uri, timeout_ms=EXTERNAL_TIMEOUT_MS) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        raise MongoUriUnreachable(str(error)) from error


def local_uri(port: int) -> str:
    """URI of the stack's own engine."""
    return f"mongodb://{LOOPBACK}:{port}/"


def _client(uri: str, timeout_ms: int) -> pymongo.MongoClient[dict[str, object]]:
    return pymongo.MongoClient(
        uri, serverSelectionTimeoutMS=timeout_ms, socketTimeoutMS=timeout_ms, connectTimeoutMS=2_000
    )


def _probe(context: ServiceContext) -> None:
    """Write and read back. A server that only answers a hello may not be ready."""
    with _client(local_uri(context.port), timeout_ms=2_000) as client:
        client.admin.command("hello")
        probes = client["kontrib_local"]["probes"]
        probe: dict[str, object] = {"_id": ObjectId()}
        probes.insert_one(probe)
        if probes.find_one(probe) != probe:
            raise LocalStackError("a document that was written cannot be read back")
        probes.delete_one(probe)


def _settings(context: ServiceContext) -> Mapping[str, str]:
    return {"MONGO_URI": local_uri(context.port)}


def _detail(context: ServiceContext) -> str:
    with _client(local_uri(context.port), timeout_ms=2_000) as client:
        info = client.server_info()
    speaks = f"speaks MongoDB {info['version']}"
    return f"gateway, {speaks}" if "documentdb" in info else f"MongoDB {info['version']}"


def _gateway_service() -> ServiceSpec:
    return ServiceSpec(
        name=NAME,
        command=lambda context: python_module(
            "deploy.local.mongo.gateway",
            *("--port", str(context.port)),
            *("--dsn", documentdb.cluster_of(context.state).dsn),
        ),
        probe=_probe,
        settings=_settings,
        detail=_detail,
        requires=(documentdb.NAME,),
    )


def _mongod_service(environment: Mapping[str, str]) -> ServiceSpec:
    return ServiceSpec(
        name=NAME,
        command=lambda context: [
            _program("mongod", environment) or "mongod",
            *("--dbpath", str(context.directory)),
            *("--bind_ip", LOOPBACK),
            *("--port", str(context.port)),
        ],
        probe=_probe,
        settings=_settings,
        detail=_detail,
    )


def _docker_service(environment: Mapping[str, str]) -> ServiceSpec:
    docker = _program("docker", environment) or "docker"
    return ServiceSpec(
        name=NAME,
        # In the foreground, so that the client forwards the stop signal and the server's log.
        command=lambda context: [
            *(docker, "run", "--rm", "--name", _container(context.state)),
            *("--publish", f"{LOOPBACK}:{context.port}:27017"),
            *("--volume", f"{_container(context.state)}:/data/db"),
            DOCKER_IMAGE,
        ],
        prepare=lambda context: _prepare_docker(docker, context),
        purge=lambda context: _purge_docker(docker, context),
        probe=_probe,
        settings=_settings,
        detail=_detail,
    )


def _container(state: Path) -> str:
    """Name of the container and its volume, unique for each state folder."""
    return f"kontrib-{hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:12]}"


def _prepare_docker(docker: str, context: ServiceContext) -> None:
    """Fetch the image, and remove the container that a killed client left behind."""
    try:
        _run(docker, "rm", "--force", _container(context.state))
        if _run(docker, "image", "inspect", DOCKER_IMAGE) != 0:
            context.notify(f"Fetching {DOCKER_IMAGE} with Docker.")
            if _run(docker, "pull", DOCKER_IMAGE) != 0:
                raise LocalStackError(
                    f"Docker could not fetch {DOCKER_IMAGE}. Check the network, then try again."
                )
    except (subprocess.SubprocessError, OSError) as error:
        raise LocalStackError(f"Docker does not work: {error}. Start its daemon.") from error


def _purge_docker(docker: str, context: ServiceContext) -> None:
    with contextlib.suppress(subprocess.SubprocessError, OSError):
        _run(docker, "volume", "rm", "--force", _container(context.state))


def _run(*command: str, timeout_s: float = DOCKER_PULL_TIMEOUT_S) -> int:
    finished = subprocess.run(command, check=False, capture_output=True, timeout=timeout_s)
    return finished.returncode
