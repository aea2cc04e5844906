"""A week runs, parts of it fail, and no secret appears in any place that people can see."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from solders.keypair import Keypair

from deploy.local.chain.setup import prepare
from deploy.local.redis_server import find_redis_server
from tests.end_to_end.support import wiki
from tests.end_to_end.support.cluster import Cluster, write_env
from tests.end_to_end.support.flower import PASSWORD, ROOT, Flower, free_port
from worker.adapters.mongo.schema.migrations import migrate
from worker.core.week import Week
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
REDIS_PASSWORD, MONGO_PASSWORD, API_KEY = "r3dis-Passw0rd", "m0ngo-Passw0rd", "api-k3y-of-the-rpc"
HOOK = "h00k-of-the-team"


@dataclass(slots=True)
class Searched:
    """All searched texts, by source."""

    forbidden: Mapping[str, str]
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, text: str) -> None:
        self.texts[where] = text

    def found(self) -> list[str]:
        return [
            f"{name} in {where}"
            for where, text in self.texts.items()
            for name, secret in self.forbidden.items()
            if secret in text
        ]


def forms_of(key: Keypair) -> dict[str, str]:
    """The written forms of a secret key. Its first half alone would also reveal the key."""
    secret = bytes(key)
    numbers = [str(byte) for byte in secret[:32]]
    return {
        "base58": str(key),
        "JSON": ",".join(numbers),
        "JSON with spaces": ", ".join(numbers),
        "hex": secret[:32].hex(),
        "repr": repr(secret[:32])[2:-1],
    }


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis that asks for a password."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(
        [find_redis_server(), *options, "--requirepass", REDIS_PASSWORD],
        stdout=subprocess.DEVNULL,
    )
    yield f"redis://:{REDIS_PASSWORD}@127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


@dataclass(slots=True)
class Guarded:
    cluster: Cluster
    searched: Searched
    key: Keypair


@pytest.fixture
def guarded(
    tmp_path: Path, stack_settings: dict[str, str], guarded_redis: str
) -> Iterator[Guarded]:
    """A cluster with a secret wherever one is possible."""
    own = dict(prepare(tmp_path / "chain", stack_settings["SOLANA_RPC_URL"]))
    key = Keypair.from_bytes(json.loads(Path(own.pop("SOLANA_PRIVATE_KEY_FILE")).read_text()))
    settings = {k: v for k, v in stack_settings.items() if k != "SOLANA_PRIVATE_KEY_FILE"} | own
    settings |= {
        "SOLANA_PRIVATE_KEY": str(key),
        "REDIS_URL": guarded_redis,
        "SOLANA_RPC_URL": f"{settings['SOLANA_RPC_URL']}/?api-key={API_KEY}",
        "WEBHOOK_URL": f"http://127.0.0.1:{free_port()}/{HOOK}",
        "LOG_LEVEL": "DEBUG",
    }
    cluster = Cluster(tmp_path, settings, WEEK)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    secrets = forms_of(key) | {
        "Redis's password": REDIS_PASSWORD,
        "MongoDB's password": MONGO_PASSWORD,
        "Flower's password": PASSWORD,
        "the RPC's API key": API_KEY,
        "the webhook's path": HOOK,
    }
    yield Guarded(cluster, Searched(secrets), key)
    cluster.stop()


def test_after_a_week_no_secret_is_in_logs_flower_redis_or_the_database(guarded: Guarded) -> None:
    cluster, searched = guarded.cluster, guarded.searched
    wiki.add_users(cluster.database, range(10))
    wiki.add_contributions(cluster.database, 20, WEEK, users=10)
    make_genesis(cluster.context, WEEK)
    flower = Flower(cluster.folder, cluster.variables)
    try:
        cluster.start_worker(concurrency=1)
        cluster.start_beat()
        cluster.wait_until_closed()
        cluster.send("tasks.canary")  # notifies the webhook, which does not answer
        cluster.wait(
            lambda: "did not accept a message" in cluster.log(), 60, "the webhook was not tried"
        )
        look_at_flower(flower, searched)
    finally:
        flower.stop()
    for log in cluster.folder.glob("*.log"):
        searched.add(log.name, log.read_text())
    for name in cluster.database.list_collection_names():
        searched.add(f"collection {name}", str(list(cluster.database[name].find())))
    for plan in (cluster.folder / "plans").rglob("*.*"):
        if plan.is_file():
            searched.add(str(plan), plan.read_bytes().decode(errors="replace"))
    searched.add("Redis", everything_in(cluster.settings.redis_url.get_secret_value()))
    assert len(searched.texts) > 20
    assert searched.found() == []


def look_at_flower(flower: Flower, searched: Searched) -> None:
    flower.get("/api/workers?refresh=1")
    worker = flower.worker()
    pages = ["/workers", "/tasks", "/broker", "/api/tasks", "/api/workers", "/metrics", "/nowhere"]
    pages += ["/api/queues/length", f"/worker/{worker}", "/api/task/types"]
    pages += [f"/task/{task_id}" for task_id in list(flower.tasks())[:12]]
    for page in pages:
        searched.add(f"Flower {page}", flower.get(page))
    assert "worker@" in searched.texts[f"Flower /worker/{worker}"]


def everything_in(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        texts = []
        for key in client.keys("*"):
            kind = client.type(key)
            if kind == b"list":
                texts.append(str(client.lrange(key, 0, -1)))
            elif kind == b"hash":
                texts.append(str(client.hgetall(key)))
        return "\n".join(texts)


SURPRISE = "MongoDB refuses the password"
"""Unlike a real engine, the local engine answers with an unexpected error and a traceback.

This traceback must contain no secret.
"""

BROKEN: dict[str, dict[str, str]] = {
    SURPRISE: {"MONGO_URI": "mongodb://wiki:{mongo}@{mongo_host}/?directConnection=true"},
    "MongoDB is away": {"MONGO_URI": "mongodb://wiki:{mongo}@127.0.0.1:{closed}/"},
    "MONGO_URI is malformed": {"MONGO_URI": "mongodb://wiki:{mongo}@[::1/"},
    "Redis is away": {"REDIS_URL": "redis://:{redis}@127.0.0.1:{closed}/0"},
    "the RPC is away": {"SOLANA_RPC_URL": "http://127.0.0.1:{closed}/?api-key={api}"},
    "the RPC is no URL": {"SOLANA_RPC_URL": "{api}"},
    "the key is malformed": {"SOLANA_PRIVATE_KEY": "{key}x"},
    "the webhook is no URL": {"WEBHOOK_URL": "{hook}"},
}


def test_when_things_are_wrong_no_error_tells_a_secret(guarded: Guarded) -> None:
    cluster, searched = guarded.cluster, guarded.searched
    host = re.search(r"127\.0\.0\.1:\d+", cluster.variables["MONGO_URI"])
    assert host is not None
    known = {
        "mongo": MONGO_PASSWORD,
        "redis": REDIS_PASSWORD,
        "api": API_KEY,
        "hook": HOOK,
        "key": str(guarded.key)[:-1],
        "closed": str(free_port()),
        "mongo_host": host[0],
    }
    with ThreadPoolExecutor(max_workers=8) as pool:  # most work waits for the missing server
        for name, template in BROKEN.items():
            env = cluster.folder / f"{name}.env"
            broken = {variable: text.format(**known) for variable, text in template.items()}
            write_env(env, {**cluster.variables, **broken})
            command = ["status"] if "MongoDB" in name else ["--debug", "doctor", "--json"]
            pool.submit(kontrib, env, *command).add_done_callback(
                lambda done, name=name: searched.add(f"kontrib when {name}", done.result())
            )
    for where, text in searched.texts.items():
        assert "Traceback" not in text or SURPRISE in where, f"{where}: {text}"
    assert len(searched.texts) == len(BROKEN)
    write_env(cluster.folder / "env", {**cluster.variables, **_wrong_mongo(known)})
    cluster.start_worker(concurrency=1)
    cluster.send("tasks.sweep")
    cluster.send("tasks.canary")
    cluster.wait(lambda: "OperationFailure" in cluster.log(), 60, "no error was seen")
    searched.add("worker.log", cluster.log())
    assert searched.found() == []


def _wrong_mongo(known: Mapping[str, str]) -> dict[str, str]:
    return {k: v.format(**known) for k, v in BROKEN[SURPRISE].items()}


def kontrib(env: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from worker.cli import main; main()", *arguments],
        env={**os.environ, "KONTRIB_ENV_FILE": str(env)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode in (0, 1, 2, 3)
    return done.stdout + done.stderr
